"""The scale subresource: how many replicas a workload wants and has, without knowing its kind.

Deployments, ReplicaSets and StatefulSets have it, and every custom kind whose definition names the paths. A `Scale` is
never stored: it is read off the object, and written back into it.
"""

from typing import NamedTuple

from aiokai.localcluster.objects import Json, dig
from aiokai.localcluster.selectors import text_of_selector
from aiokai.localcluster.status import Refusal, bad_request, invalid_value

_SYSTEM_FIELDS = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


class ScalePaths(NamedTuple):
    """Where an object keeps its numbers, as the names on the way there."""

    spec: tuple[str, ...]
    status: tuple[str, ...]
    selector: tuple[str, ...] = ()


WORKLOAD = ScalePaths(("spec", "replicas"), ("status", "replicas"), ("spec", "selector"))


def declared_paths(declared: Json | None) -> ScalePaths | None:
    """What a definition says in `subresources.scale`."""
    if not declared:
        return None
    return ScalePaths(
        _names(declared.get("specReplicasPath", "")),
        _names(declared.get("statusReplicasPath", "")),
        _names(declared.get("labelSelectorPath", "")),
    )


def _names(path: str) -> tuple[str, ...]:
    return tuple(filter(None, path.split(".")))


def scale_of(obj: Json, paths: ScalePaths) -> Json:
    """The Scale that an object shows."""
    metadata = {name: obj["metadata"][name] for name in _SYSTEM_FIELDS if name in obj["metadata"]}
    replicas, selector = dig(obj, *paths.spec) or 0, dig(obj, *paths.selector) if paths.selector else None
    status = {"replicas": dig(obj, *paths.status) or 0}
    if selector:
        status["selector"] = selector if isinstance(selector, str) else text_of_selector(selector)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def rescaled(obj: Json, paths: ScalePaths, scale: Json) -> Json:
    """The object with as many replicas as the Scale wants; it keeps the preconditions that the Scale brings.

    Raises: Refusal 400 or 422.
    """
    replicas, name = dig(scale, "spec", "replicas") or 0, obj["metadata"]["name"]
    if type(replicas) is not int:
        raise bad_request("Scale in version v1 cannot be handled as a Scale: spec.replicas must be an integer")
    if replicas < 0:
        error = invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
        details = {"name": name, "group": "autoscaling", "kind": "Scale", "causes": [error._asdict()]}
        raise Refusal(422, "Invalid", f'Scale.autoscaling "{name}" is invalid: {error}', details)
    for field in ("resourceVersion", "uid"):
        if wanted := dig(scale, "metadata", field):
            obj["metadata"][field] = wanted
    inner = obj
    for step in paths.spec[:-1]:
        inner = inner.setdefault(step, {})
    inner[paths.spec[-1]] = replicas
    return obj
