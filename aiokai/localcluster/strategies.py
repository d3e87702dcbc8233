"""What kinds add to the common way of writing an object, as kube-apiserver's registry strategies do.

The common way is in writes.py; it calls a strategy at fixed points. A kind without rules of its own uses `Strategy`
itself. Pods are in pods.py, custom kinds in crds.py.
"""
# ruff: noqa: ARG002 - a hook need not use all that it is offered

import re
from dataclasses import dataclass
from typing import Any

from aiokai.localcluster import metadata
from aiokai.localcluster.objects import Json, dig
from aiokai.localcluster.status import FieldError, forbidden_field, invalid_value, unsupported


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """The rules of one kind."""

    name_rule: metadata.NameRule = metadata.subdomain
    counts_generations: bool = False
    initial_status: Json | None = None
    """What status a new object gets; None keeps the one it brings."""
    unconditional_update: bool = True
    """An update may leave out the resourceVersion."""
    graceful: bool = False
    """A deleted object may have to be stopped before it goes."""

    def on_create(self, obj: Json) -> None:
        """Fill in what the server decides."""
        if self.initial_status is not None:
            obj["status"] = dict(self.initial_status)

    def on_update(self, new: Json, old: Json) -> None:
        """Carry over what this kind does not let an update change."""

    def on_status_update(self, new: Json, old: Json) -> None:
        """Carry over what a write to the status does not let change; labels and annotations it may."""
        for name in (new.keys() | old.keys()) - {"status", "metadata", "apiVersion", "kind"}:
            if name in old:
                new[name] = old[name]
            else:
                del new[name]

    def generation_grows(self, new: Json, old: Json) -> bool:
        return self.counts_generations and new.get("spec") != old.get("spec")

    def check(self, obj: Json) -> list[FieldError]:
        return []

    def check_update(self, new: Json, old: Json) -> list[FieldError]:
        return []

    def holds(self, obj: Json) -> bool:
        """True if something of this kind keeps a deleted object from going, beside its finalizers."""
        return False

    def grace_period_s(self, obj: Json, asked_s: int | None) -> int:
        """How long a deleted object stays to be stopped."""
        return 0


class NamespaceStrategy(Strategy):
    def on_create(self, obj: Json) -> None:
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}
        obj["metadata"]["labels"] = {
            **(obj["metadata"].get("labels") or {}),
            "kubernetes.io/metadata.name": obj["metadata"].get("name", ""),
        }

    def on_update(self, new: Json, old: Json) -> None:
        new["spec"] = old["spec"]

    def holds(self, obj: Json) -> bool:
        return bool(dig(obj, "spec", "finalizers"))


class PriorityClassStrategy(Strategy):
    def on_create(self, obj: Json) -> None:
        obj.setdefault("value", 0)
        obj.setdefault("preemptionPolicy", "PreemptLowerPriority")

    def check(self, obj: Json) -> list[FieldError]:
        name = obj["metadata"].get("name", "")
        highest_for_users = 1_000_000_000
        if obj["value"] > highest_for_users and not name.startswith("system-"):
            why = f"maximum allowed value of a user defined priority is {highest_for_users}"
            return [forbidden_field("value", why)]
        return []

    def check_update(self, new: Json, old: Json) -> list[FieldError]:
        return [
            invalid_value(field, new.get(field), "field is immutable")
            for field in ("value", "preemptionPolicy")
            if new.get(field) != old.get(field)
        ]


class BudgetStrategy(Strategy):
    """PodDisruptionBudgets."""

    def check(self, obj: Json) -> list[FieldError]:
        spec = obj["spec"]
        errors = []
        if "minAvailable" in spec and "maxUnavailable" in spec:
            errors.append(invalid_value("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
        errors += [
            invalid_value(f"spec.{field}", spec[field], why)
            for field in ("minAvailable", "maxUnavailable")
            if (why := _no_amount(spec.get(field, 0)))
        ]
        policy, policies = spec.get("unhealthyPodEvictionPolicy"), ("AlwaysAllow", "IfHealthyBudget")
        if policy is not None and policy not in policies:
            errors.append(unsupported("spec.unhealthyPodEvictionPolicy", policy, policies))
        return errors


def _no_amount(value: Any) -> str:
    """Why a value is neither a number of pods nor a share of them; empty if it is."""
    if isinstance(value, int):
        return "must be greater than or equal to 0" if value < 0 else ""
    if not re.fullmatch(r"[0-9]+%", str(value)):
        return "must be an integer or percentage (e.g '5%')"
    return "must not be greater than 100%" if int(value[:-1]) > 100 else ""


class ConfigStrategy(Strategy):
    """ConfigMaps and Secrets: once `immutable`, they stay as they are."""

    def on_create(self, obj: Json) -> None:
        if obj["kind"] == "Secret":
            obj.setdefault("type", "Opaque")

    def check_update(self, new: Json, old: Json) -> list[FieldError]:
        if not old.get("immutable"):
            return []
        why = "field is immutable when `immutable` is set"
        changed = [field for field in ("data", "binaryData", "immutable") if new.get(field) != old.get(field)]
        return [forbidden_field(field, why) for field in changed]


class ServiceStrategy(Strategy):
    def on_create(self, obj: Json) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("type", "ClusterIP")
        spec.setdefault("sessionAffinity", "None")
        for port in spec.get("ports") or ():
            port.setdefault("protocol", "TCP")
            port.setdefault("targetPort", port.get("port"))
        obj["status"] = {"loadBalancer": {}}


class WorkloadStrategy(Strategy):
    """Deployments and their like: the few defaults that clients and `kubectl rollout` rely on."""

    def on_create(self, obj: Json) -> None:
        self.on_update(obj, obj)
        obj["status"] = {"replicas": 0} if obj["kind"] == "StatefulSet" else {}

    def on_update(self, new: Json, old: Json) -> None:
        spec = new.setdefault("spec", {})
        if new["kind"] != "DaemonSet":
            spec.setdefault("replicas", 1)

    def check_update(self, new: Json, old: Json) -> list[FieldError]:
        selector = dig(new, "spec", "selector")
        if selector != dig(old, "spec", "selector"):
            return [invalid_value("spec.selector", selector, "field is immutable")]
        return []
