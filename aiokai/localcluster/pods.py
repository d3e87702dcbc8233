"""Pods: how they come, change, are bound and go.

Sources: kube-apiserver `pkg/registry/core/pod` (strategy, storage) and the measurements of the design's section on a
real API server. A pod's node is set once, by its Binding; after that the kubelet, not the server, ends it.
"""
# ruff: noqa: ARG002 - a hook need not use all that it is offered

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from aiokai.localcluster.objects import Json, timestamp
from aiokai.localcluster.podspec import check_narrowing, check_spec, default_spec, quality_of_service
from aiokai.localcluster.status import FieldError, Refusal, forbidden_field, internal_error
from aiokai.localcluster.strategies import Strategy

_MUTABLE_FIELDS = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates")
_IMMUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


class Priority(NamedTuple):
    """What a PriorityClass gives to a pod."""

    class_name: str
    value: int
    preemption_policy: str


class UnknownPriorityClassError(Exception):
    """A pod names a PriorityClass that does not exist."""


@dataclass(frozen=True, kw_only=True)
class PodStrategy(Strategy):
    """The rules of pods."""

    counts_generations: bool = True
    graceful: bool = True
    priority_of: Callable[[str], Priority]
    """What a PriorityClass gives (empty name: the global default); may raise UnknownPriorityClassError."""

    def on_create(self, obj: Json) -> None:
        spec = obj.setdefault("spec", {})
        self._prioritize(obj)
        default_spec(spec)
        obj["status"] = {"phase": "Pending", "qosClass": quality_of_service(spec)}
        if spec.get("schedulingGates"):
            obj["status"]["conditions"] = [_GATED | {"lastTransitionTime": timestamp()}]

    def on_update(self, new: Json, old: Json) -> None:
        default_spec(new.setdefault("spec", {}))

    def on_status_update(self, new: Json, old: Json) -> None:
        new["spec"] = old["spec"]
        new.setdefault("status", {}).setdefault("qosClass", old["status"].get("qosClass"))
        if owners := old["metadata"].get("ownerReferences"):
            new["metadata"]["ownerReferences"] = owners

    def check(self, obj: Json) -> list[FieldError]:
        return check_spec(obj["spec"])

    def check_update(self, new: Json, old: Json) -> list[FieldError]:
        spec, before = new["spec"], old["spec"]
        if spec == before:
            return []
        errors = _check_gates_only_go(spec, before) + _check_tolerations_only_come(spec, before)
        if before.get("schedulingGates"):
            errors += check_narrowing(spec, before)
            spec, before = _anywhere(spec), _anywhere(before)
        if _frozen_part(spec) != _frozen_part(before):
            errors.append(forbidden_field("spec", _IMMUTABLE))
        return errors

    def grace_period_s(self, obj: Json, asked_s: int | None) -> int:
        """Nobody has to stop what is unbound or has ended; a kubelet stops the rest."""
        if not obj["spec"].get("nodeName") or obj["status"].get("phase") in ("Succeeded", "Failed"):
            return 0
        period_s: int = obj["spec"].get("terminationGracePeriodSeconds", 0) if asked_s is None else asked_s
        return 1 if period_s < 0 else period_s

    def _prioritize(self, obj: Json) -> None:
        spec = obj["spec"]
        priority = self.priority_of(spec.get("priorityClassName") or "")
        if priority.class_name:
            spec["priorityClassName"] = priority.class_name
        spec["priority"] = priority.value
        spec.setdefault("preemptionPolicy", priority.preemption_policy)


_GATED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
    "lastProbeTime": None,
}


def bind(pod: Json, binding: Json) -> None:
    """Give a pod its node, with the annotations of the Binding, in one write; phase and generation stay.

    Raises: BindingRefusedError if the pod may not be bound (any more).
    """
    name, spec = pod["metadata"]["name"], pod["spec"]
    if "deletionTimestamp" in pod["metadata"]:
        raise BindingRefusedError(f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise BindingRefusedError(f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    if spec.get("schedulingGates"):
        raise BindingRefusedError(f"pod {name} has non-empty .spec.schedulingGates")
    spec["nodeName"] = binding["target"]["name"]
    for field in ("annotations", "labels"):
        if brought := (binding.get("metadata") or {}).get(field):
            pod["metadata"][field] = {**(pod["metadata"].get(field) or {}), **brought}
    status = pod.setdefault("status", {})
    status.pop("nominatedNodeName", None)
    others = [condition for condition in status.get("conditions") or () if condition["type"] != "PodScheduled"]
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": timestamp()}
    status["conditions"] = [*others, scheduled]


class BindingRefusedError(Exception):
    """The pod is assigned, gated or being deleted; the text says which."""


def check_binding(binding: Json, name: str) -> None:
    """Raises: Refusal if the Binding itself makes no sense."""
    if (binding.get("metadata") or {}).get("name", name) != name:
        raise Refusal(400, "BadRequest", "name in URL does not match name in Binding object")
    target = binding.get("target") or {}
    if target.get("kind") not in (None, "", "Node"):
        why = f'target.kind: Unsupported value: "{target["kind"]}": supported values: "Node", "<empty>"'
        raise internal_error(why)
    if not target.get("name"):
        raise internal_error("target.name: Required value")


def _check_gates_only_go(spec: Json, before: Json) -> list[FieldError]:
    known = [gate["name"] for gate in before.get("schedulingGates") or ()]
    names = [gate["name"] for gate in spec.get("schedulingGates") or ()]
    why = "only deletion is allowed, but found new scheduling gate"
    return [forbidden_field("spec.schedulingGates", f"{why} '{name}'") for name in names if name not in known]


def _check_tolerations_only_come(spec: Json, before: Json) -> list[FieldError]:
    tolerations = spec.get("tolerations") or []
    if all(toleration in tolerations for toleration in before.get("tolerations") or ()):
        return []
    return [forbidden_field("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")]


def _anywhere(spec: Json) -> Json:
    """A pod's spec without its choice of nodes."""
    affinity = {name: value for name, value in (spec.get("affinity") or {}).items() if name != "nodeAffinity"}
    return {**spec, "nodeSelector": None, "affinity": affinity}


def _frozen_part(spec: Json) -> Json:
    """The part of a pod's spec that no update may change."""
    frozen = {field: value for field, value in spec.items() if field not in _MUTABLE_FIELDS}
    for field in ("containers", "initContainers"):
        if field in frozen:
            frozen[field] = [{**container, "image": ""} for container in frozen[field]]
    return frozen
