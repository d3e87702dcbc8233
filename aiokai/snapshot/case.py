"""A case: a cluster's state in one file, how often it is decided on, and what should come of it.

The same file is a bug report, a golden test and a what-if question (DESIGN §9). Two forms, which may stand together:

- the short form, for people: `nodes`, `queues`, `gangs` and `others` (see `case_nodes`, `case_gangs`, `case_model`);
- the full form, `objects`: the Kubernetes and native objects themselves (see `dump`).

Both become the typed objects that a cluster would give, so that everything behind is the same for a file and for a
live cluster. Beside them stand `why`, `source`, `now`, `config`, `cycles`, `then` and `expect`. Nothing is guessed:
what nobody knows, or what cannot be, is a DumpError that says where and why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from aiokai.dialects import AIOKAI, DIALECTS
from aiokai.errors import ConfigError, DumpError, InvalidObjectError
from aiokai.model import kube
from aiokai.model.base import Envelope, Identity
from aiokai.model.configuration import Configuration, parse_configuration
from aiokai.model.duration import duration_to_seconds
from aiokai.model.pod_group import GangKey
from aiokai.model.queue import DEFAULT_QUEUE, QueueSpec
from aiokai.snapshot.build import Objects
from aiokai.snapshot.case_expect import QUEUES, Expectation, read_expectations
from aiokai.snapshot.case_gangs import Gang, make_gang, make_others
from aiokai.snapshot.case_model import UNSUPPORTED, Then
from aiokai.snapshot.case_nodes import make_node
from aiokai.snapshot.case_pods import PodMaker, moment
from aiokai.snapshot.dump import Collected, collect, put
from aiokai.snapshot.reading import read_pod
from aiokai.snapshot.strict import refuse_unknown, validate
from aiokai.snapshot.yaml_text import read_yaml

Json = dict[str, Any]
PodKey = tuple[str, str]
"""Namespace and name: a pod that is made again keeps it."""

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_KEYS: Final = (
    "why", "source", "now", "nodes", "topologies", "queues", "gangs", "others", "pdbs", "usage", "objects", "config",
    "cycles", "then", "expect",
)  # fmt: skip
_NOT_YET: Final = ("topologies", "pdbs", "usage")
_MAX_CYCLES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Named:
    """What a name in `expect` stands for."""

    gangs: tuple[GangKey, ...]
    pods: tuple[PodKey, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """See the module.

    Attributes:
        later: pods that are made when their gang is admitted.
        fixed: pods that nobody makes again.
        expect: one for all cycles together, or one for each; None if nothing is expected.
        names: gangs and tasks as `expect` may call them; those that occur twice only with their namespace.
    """

    source: str
    why: str
    now: datetime
    objects: Objects
    configuration: Configuration
    cycles: int = 1
    then: Then = field(default_factory=Then)
    later: Mapping[GangKey, tuple[kube.Pod, ...]] = field(default_factory=dict)
    fixed: frozenset[PodKey] = frozenset()
    expect: tuple[Expectation, ...] | None = None
    names: Mapping[str, Named] = field(default_factory=dict)


def parse_case(text: str, source: str) -> Case:
    """The case in a YAML text.

    Raises:
        DumpError: names `source`, the path in it, and what is wrong there.
    """
    content = read_yaml(text, source)
    if not isinstance(content, dict):
        raise DumpError(f"{source}: a mapping is wanted at the top, not {type(content).__name__}")
    try:
        return _read(content, source)
    except InvalidObjectError as error:
        raise DumpError(f"{source}: {error}") from error
    except ConfigError as error:
        raise DumpError(str(error)) from error


def _read(content: Json, source: str) -> Case:
    for key in content:
        if key not in _KEYS:
            raise InvalidObjectError(str(key), f"unknown field; there are {', '.join(_KEYS)}")
        if key in _NOT_YET:
            raise InvalidObjectError(key, UNSUPPORTED)
    now = _now(content.get("now"))
    configuration = _configuration(content.get("config"), source)
    collected, gangs = _collect(content, configuration, now)
    expect = read_expectations(content["expect"]) if "expect" in content else None
    case = Case(
        source,
        _text(content, "why"),
        now,
        collected.objects(),
        configuration,
        _cycles(content.get("cycles"), len(expect) if expect and isinstance(content["expect"], list) else None),
        validate(Then, content.get("then") or {}, "then"),
        {_key(gang): gang.pods for gang in gangs if not gang.created},
        frozenset(_pod_key(pod) for gang in gangs if not gang.recreated for pod in gang.pods),
        expect,
        _names(collected, gangs, configuration),
    )
    _check_names(case)
    return case


def _text(content: Json, key: str) -> str:
    value = content.get(key)
    if value is not None and not isinstance(value, str):
        raise InvalidObjectError(key, f"is not text (got {value!r})")
    return value or ""


def _now(told: object) -> datetime:
    if told is None:
        return START
    try:
        duration_to_seconds(str(told))
    except ValueError:
        return moment(told, START, "now")
    raise InvalidObjectError("now", f"is not a time (got {told!r})")


def _configuration(content: object, source: str) -> Configuration:
    """A whole configuration, or fields of the only profile, beside which dialects and devices may stand."""
    if content is None:
        return Configuration()
    if not isinstance(content, dict):
        raise InvalidObjectError("config", "is not a mapping")
    whole = "profiles" in content
    try:
        configuration = parse_configuration(content if whole else _with_profile(content), "config")
    except ConfigError as error:
        told = str(error).removeprefix("config: ")
        raise ConfigError(f"{source}: config.{told if whole else told.removeprefix('profiles[0].')}") from error
    for i, choice in enumerate(configuration.dialects):
        if choice.name not in DIALECTS:
            known = ", ".join(DIALECTS)
            raise InvalidObjectError(f"config.dialects[{i}]", f"{choice.name!r} is no dialect; there are: {known}")
    return configuration


def _with_profile(content: Json) -> Json:
    """A whole configuration from the fields of its only profile and what stands beside them."""
    whole: Json = {key: content[key] for key in ("dialects", "devices") if key in content}
    if isinstance(whole.get("dialects"), list):
        whole["dialects"] = _dialects(whole["dialects"])
    return whole | {"profiles": [{key: value for key, value in content.items() if key not in whole}]}


def _dialects(told: list[object]) -> list[object]:
    """Bare names mean all pods that name the system's own scheduler. The short form is native, so native is there."""
    full: list[object] = [
        {"name": one, "schedulerNames": [DIALECTS[one].scheduler_name if one in DIALECTS else one]}
        if isinstance(one, str)
        else one
        for one in told
    ]
    if not any(isinstance(one, dict) and one.get("name") == AIOKAI.name for one in full):
        full.append({"name": AIOKAI.name, "schedulerNames": [AIOKAI.scheduler_name]})
    return full


def _cycles(told: object, steps: int | None) -> int:
    """How many to run; `steps` is how many the expectations are for, None if they are for all together."""
    if told is None:
        return steps or 1
    if not isinstance(told, int) or isinstance(told, bool) or not 1 <= told <= _MAX_CYCLES:
        raise InvalidObjectError("cycles", f"is a number from 1 to {_MAX_CYCLES} (got {told!r})")
    if steps is not None and steps != told:
        raise InvalidObjectError("expect", f"has {steps} entries for {told} cycles")
    return told


# Objects


def _collect(content: Json, configuration: Configuration, now: datetime) -> tuple[Collected, list[Gang]]:
    """All objects of both forms, and the gangs of the short form."""
    into, names = Collected(), configuration.devices.vgpu
    for name, told in _entries(content, "nodes"):
        put(into.nodes, name, make_node(name, told, names), f"nodes.{name}")
    for name, told in _entries(content, "queues"):
        _add_queue(name, told, into, now)
    if "objects" in content:
        collect(content["objects"], into, now)
    _check_dialects(into, configuration)
    if Identity(AIOKAI.name, "", DEFAULT_QUEUE) not in into.queues:
        _add_queue(DEFAULT_QUEUE, {}, into, now)
    maker, gangs = PodMaker(into.nodes, names, now), list[Gang]()
    for name, told in _entries(content, "gangs"):
        gang = make_gang(name, told, maker, configuration, now)
        _add_gang(gang, into, f"gangs.{name}")
        gangs.append(gang)
    for name, told in _entries(content, "others"):
        for pod in make_others(name, told, maker, now):
            put(into.pods, _pod_key(pod), pod, f"others.{name}")
    _resolve_priorities(into)
    return into, gangs


def _check_dialects(into: Collected, configuration: Configuration) -> None:
    """Nobody would look at objects of a dialect that is not listed."""
    listed = {choice.name for choice in configuration.dialects}
    for identity in (*into.queues, *into.pod_groups, *into.invalid):
        if identity.dialect not in listed:
            reason = f"{identity} is of dialect {identity.dialect}, which config.dialects does not list"
            raise InvalidObjectError("objects", reason)


def _entries(content: Json, key: str) -> list[tuple[str, Json]]:
    section = content.get(key)
    if section is None:
        return []
    if key == "others" and isinstance(section, list):
        section = {f"other-{i}": told for i, told in enumerate(section)}
    if not isinstance(section, dict):
        raise InvalidObjectError(key, "is not a mapping of names")
    for name, told in section.items():
        if not isinstance(name, str) or not name:
            raise InvalidObjectError(f"{key}.{name}", "is not a name; numbers are written in quotes")
        if told is not None and not isinstance(told, dict):
            raise InvalidObjectError(f"{key}.{name}", f"is not a mapping (got {told!r})")
    return [(name, told or {}) for name, told in section.items()]


def _add_queue(name: str, told: Json, into: Collected, now: datetime) -> None:
    path = f"queues.{name}"
    spec = {key: value for key, value in told.items() if key != "age"}
    refuse_unknown(QueueSpec, spec, path)
    created = moment(told.get("age", 0), now, f"{path}.age")
    try:
        queue = AIOKAI.queue.decode(Envelope(kube.ObjectMeta(name=name, uid=name, creation_timestamp=created), spec))
    except InvalidObjectError as error:
        raise InvalidObjectError(f"{path}{error.path.removeprefix('spec')}", error.reason) from error
    put(into.queues, queue.identity, queue, path)


def _add_gang(gang: Gang, into: Collected, path: str) -> None:
    if gang.group is not None:
        put(into.pod_groups, gang.group.identity, gang.group, path)
    if gang.priority_class is not None:
        into.priority_classes[gang.priority_class.metadata.name] = gang.priority_class
    for pod in gang.pods if gang.created else ():
        put(into.pods, _pod_key(pod), pod, path)


def _resolve_priorities(into: Collected) -> None:
    """Pods that name a PriorityClass and no number get its number, as from the API server's admission."""
    for key, pod in into.pods.items():
        known = into.priority_classes.get(pod.spec.priority_class_name)
        if known is not None and pod.spec.priority == 0:
            spec = msgspec.structs.replace(pod.spec, priority=known.value)
            into.pods[key] = msgspec.structs.replace(pod, spec=spec)


# Names


def _names(collected: Collected, gangs: list[Gang], configuration: Configuration) -> dict[str, Named]:
    """Every gang and every task, by name where that is unique and by `namespace/name`. A gang's name goes first."""
    members: dict[GangKey, list[PodKey]] = {
        GangKey(*identity, lone=False): [] for identity in (*collected.pod_groups, *collected.invalid)
    }
    alone: dict[PodKey, GangKey] = {}
    for pod in (*collected.pods.values(), *(pod for gang in gangs if not gang.created for pod in gang.pods)):
        reading = read_pod(pod, configuration)
        if reading is None or reading.gang is None:
            continue
        members.setdefault(reading.gang, []).append(_pod_key(pod))
        alone[_pod_key(pod)] = reading.gang
    named: dict[str, list[Named]] = {}
    groups = {(key.namespace, key.name): Named((key,), tuple(pods)) for key, pods in members.items() if not key.lone}
    for gang in gangs:
        if gang.group is None:
            pods = tuple(_pod_key(pod) for pod in gang.pods)
            groups[gang.namespace, gang.name] = Named(tuple(alone[pod] for pod in pods), pods)
    tasks = {pod: Named((key,), (pod,)) for pod, key in alone.items()}
    for (namespace, name), what in (tasks | groups).items():
        named.setdefault(name, []).append(what)
        named[f"{namespace}/{name}"] = [what]
    return {name: found[0] for name, found in named.items() if len(found) == 1}


def _check_names(case: Case) -> None:
    queues = {queue.metadata.name for queue in case.objects.queues}
    nodes = {node.metadata.name for node in case.objects.nodes}
    several = case.expect is not None and len(case.expect) > 1
    for i, expectation in enumerate(case.expect or ()):
        path = f"expect[{i}]" if several else "expect"
        for name, expected in expectation.of.items():
            if name not in case.names:
                twice = any(full.endswith(f"/{name}") for full in case.names)
                reason = (
                    "occurs in several namespaces: write namespace/name" if twice else "there is no such gang or task"
                )
                raise InvalidObjectError(f"{path}.{name}", reason)
            for node in expected.on or ():
                if node not in nodes:
                    raise InvalidObjectError(f"{path}.{name}", f"there is no node {node!r}")
        for name in expectation.queues:
            if name not in queues:
                raise InvalidObjectError(f"{path}.{QUEUES}.{name}", "there is no such queue")


def _key(gang: Gang) -> GangKey:
    assert gang.group is not None
    return GangKey(*gang.group.identity, lone=False)


def _pod_key(pod: kube.Pod) -> PodKey:
    return pod.metadata.namespace, pod.metadata.name
