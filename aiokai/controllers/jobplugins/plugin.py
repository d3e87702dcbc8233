"""What a Job plugin is: a change to every pod of the Job, and objects beside the pods."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiokai.dialects import PodKeys
from aiokai.errors import InvalidObjectError
from aiokai.model.job import Job, TaskSpec
from aiokai.model.resource import Resource

Json = dict[str, Any]
Flags = Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class PodPlace:
    """Which pod of a Job is being made."""

    job: Job
    task: TaskSpec
    index: int
    name: str


class PluginObject(NamedTuple):
    """An object beside the pods, named in the Job's namespace. `content` is all but its metadata."""

    resource: Resource
    name: str
    content: Json


def _no_objects(_job: Job, _flags: Flags, _keys: PodKeys) -> tuple[PluginObject, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class JobPlugin:
    """One plugin.

    Attributes:
        change_pod: writes into the pod's spec, which is a fresh copy.
        objects: what the Job has beside its pods; the same for equal specs.
        flags: each flag with its default.
    """

    change_pod: Callable[[Json, PodPlace, Flags], None]
    objects: Callable[[Job, Flags, PodKeys], tuple[PluginObject, ...]] = _no_objects
    flags: Flags = field(default_factory=dict)


def parse_flags(given: Sequence[str], defaults: Flags, path: str) -> Flags:
    """Flags as Go programs take them: `--name`, `-name`, `--name=false`.

    Raises:
        InvalidObjectError: a flag is not the plugin's, or no boolean.
    """
    flags = dict(defaults)
    for i, text in enumerate(given):
        name, _, value = text.lstrip("-").partition("=")
        if not text.startswith("-") or name not in defaults:
            known = ", ".join(f"--{flag}" for flag in defaults) or "none"
            raise InvalidObjectError(f"{path}[{i}]", f"unknown flag {text!r}; there are: {known}")
        if value.lower() not in ("", "true", "false"):
            raise InvalidObjectError(f"{path}[{i}]", f"true or false is wanted (got {value!r})")
        flags[name] = value.lower() != "false"
    return flags


def all_containers(pod_spec: Json) -> Iterator[Json]:
    """Containers and init containers of a pod's spec, for changing them in place."""
    yield from pod_spec["containers"]
    yield from pod_spec.get("initContainers") or ()


def give_env(container: Json, variables: Sequence[Json]) -> None:
    """Put variables before the container's own, which may then refer to them; those it sets itself are kept."""
    own = container.get("env") or []
    names = {variable.get("name") for variable in own}
    container["env"] = [*(variable for variable in variables if variable["name"] not in names), *own]
