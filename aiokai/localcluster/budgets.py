"""PodDisruptionBudgets: what keeps their status, so that evictions.py can go by it.

Kubernetes does this in its controller manager (`pkg/controller/disruption`); here one task of the server does. It hears
of every write, and counts again what a pod or a budget changed, at most some fifty times a second.

How many pods are expected: those that the selector finds, if `minAvailable` is a number. Otherwise the replicas wanted
by the owners of these pods, where an owner is the pod's controller, or the Deployment that controls its ReplicaSet. An
owner that has no scale spoils the count: the budget then allows nothing. Pods without a controller count for nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from aiokai.localcluster.due import Due
from aiokai.localcluster.objects import Json, Key, dig, seconds_since, timestamp
from aiokai.localcluster.resources import Catalog
from aiokai.localcluster.selectors import Selector, matches, selector_of
from aiokai.localcluster.store import Collection, Event, Store, Stored
from aiokai.localcluster.writes import Writes

_PODS, _BUDGETS = "pods.", "poddisruptionbudgets.policy"
DELETION_LIMIT_S = 120
"""So long an evicted pod is believed to be on its way out although it does not look so."""


class UncountableError(Exception):
    """It cannot be said how many pods are expected; the text tells why."""


class PodFacts(NamedTuple):
    """What a budget wants to know of a pod."""

    name: str
    ready: bool
    leaving: bool
    controller: Json | None


class Budgets:
    """The budgets of the cluster, and those that are due to be counted."""

    def __init__(self, store: Store, catalog: Catalog, writes: Writes) -> None:
        self._store = store
        self._catalog = catalog
        self._writes = writes
        self._selectors: defaultdict[str, dict[Key, Selector]] = defaultdict(dict)
        """By namespace; a budget without a selector is about no pod."""
        self._facts: dict[Key, tuple[int, PodFacts]] = {}
        self._due = Due("budget", self._count)
        store.observers.append(self._observe)

    async def run(self) -> None:
        """Count until cancelled."""
        await self._due.run()

    def _observe(self, collection: Collection, event: Event) -> None:
        key = event.stored.key
        if collection.name == _BUDGETS:
            self._selectors[key[0]].pop(key, None)
            if event.type != "DELETED":
                selector = selector_of(dig(event.stored.decoded(), "spec", "selector"))
                if selector is not None:
                    self._selectors[key[0]][key] = selector
                self._due.add(key)
        elif collection.name == _PODS:
            if event.type == "DELETED":
                self._facts.pop(key, None)
            for budget, selector in self._selectors.get(key[0], {}).items():
                before = event.previous is not None and matches(selector, event.previous.labels)
                if before or matches(selector, event.stored.labels):
                    self._due.add(budget)

    def _count(self, key: Key) -> None:
        resource = self._catalog.find("policy", "v1", "poddisruptionbudgets")
        stored = self._store.collection(_BUDGETS).objects.get(key)
        if stored is None:
            return
        budget = stored.decoded()
        selector = self._selectors[key[0]].get(key)
        pods = [] if selector is None else self._pods(key[0], selector)
        try:
            counted = self._counted(budget, pods)
        except UncountableError as error:
            before = budget.get("status") or {}
            conditions = with_condition(before, "False", "SyncFailed", str(error))
            counted = {**before, "disruptionsAllowed": 0, "conditions": conditions}
        if counted != budget.get("status"):
            self._writes.update(resource, key, lambda obj: {**obj, "status": counted}, subresource="status")

    def _pods(self, namespace: str, selector: Selector) -> list[PodFacts]:
        pods = self._store.collection(_PODS).select(namespace)
        return [self._facts_of(stored) for stored in pods if matches(selector, stored.labels)]

    def _facts_of(self, stored: Stored) -> PodFacts:
        known = self._facts.get(stored.key)
        if known is None or known[0] != stored.version:
            known = stored.version, facts_of(stored.decoded())
            self._facts[stored.key] = known
        return known[1]

    def _counted(self, budget: Json, pods: list[PodFacts]) -> Json:
        """The status of a budget. Raises: UncountableError."""
        spec, before = budget.get("spec") or {}, budget.get("status") or {}
        expected, desired = self._expected(spec, budget["metadata"]["namespace"], pods)
        disrupted = {}
        for pod in pods:
            since = (before.get("disruptedPods") or {}).get(pod.name)
            if since is not None and not pod.leaving and seconds_since(since) <= DELETION_LIMIT_S:
                disrupted[pod.name] = since
                delay_s = DELETION_LIMIT_S - seconds_since(since) + 1
                asyncio.get_running_loop().call_later(delay_s, self._due.add, _key_of(budget))
        healthy = sum(pod.ready and not pod.leaving and pod.name not in disrupted for pod in pods)
        allowed = max(healthy - desired, 0) if expected else 0
        counted = {
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": allowed,
            "expectedPods": expected,
            "observedGeneration": budget["metadata"]["generation"],
            **({"disruptedPods": disrupted} if disrupted else {}),
        }
        return counted | {"conditions": allowance_condition({**counted, "conditions": before.get("conditions")})}

    def _expected(self, spec: Json, namespace: str, pods: list[PodFacts]) -> tuple[int, int]:
        """How many pods there should be, and how many of them healthy."""
        least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
        if most is not None:
            expected = self._wanted_by_owners(namespace, pods)
            return expected, max(expected - share(most, expected), 0)
        if isinstance(least, str):
            expected = self._wanted_by_owners(namespace, pods)
            return expected, share(least, expected)
        return (0, 0) if least is None else (len(pods), least)

    def _wanted_by_owners(self, namespace: str, pods: Iterable[PodFacts]) -> int:
        wanted: dict[str, int] = {}
        controllers = {pod.controller["uid"]: pod for pod in pods if pod.controller}
        for pod in controllers.values():
            owner = self._controller(namespace, pod.controller)
            above = _controller_of(owner[0]) if owner and owner[0]["kind"] == "ReplicaSet" else None
            owner = (self._controller(namespace, above) if above else None) or owner
            if owner is None:
                raise UncountableError(f'found no controllers for pod "{pod.name}"')
            wanted[owner[0]["metadata"]["uid"]] = owner[1]
        return sum(wanted.values())

    def _controller(self, namespace: str, reference: Any) -> tuple[Json, int] | None:
        """The object that a reference means, and how many replicas it wants; None if it is gone."""
        group, _, version = reference["apiVersion"].rpartition("/")
        kinds = [one for one in self._catalog.in_version(group, version) if one.kind == reference["kind"]]
        if not kinds:
            raise UncountableError(f'no matches for kind "{reference["kind"]}" in version "{reference["apiVersion"]}"')
        resource = kinds[0]
        if resource.scale is None:
            name = f"{resource.plural}.{group}".rstrip(".")
            raise UncountableError(f"{name} does not implement the scale subresource")
        stored = self._store.collection(resource.collection).objects.get((namespace, reference["name"]))
        if stored is None or stored.uid != reference["uid"]:
            return None
        obj = stored.decoded()
        return obj, dig(obj, *resource.scale.spec) or 0


def facts_of(pod: Json) -> PodFacts:
    return PodFacts(
        name=pod["metadata"]["name"],
        ready=is_ready(pod),
        leaving="deletionTimestamp" in pod["metadata"],
        controller=_controller_of(pod),
    )


def is_ready(pod: Json) -> bool:
    conditions = dig(pod, "status", "conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def share(amount: int | str, total: int) -> int:
    """A number as it is, a percentage of the total rounded up."""
    if isinstance(amount, int):
        return amount
    return -(-int(amount.removesuffix("%")) * total // 100)


def allowance_condition(status: Json) -> list[Json]:
    """The conditions of a status, saying whether it allows a disruption."""
    if status["disruptionsAllowed"] > 0:
        return with_condition(status, "True", "SufficientPods")
    return with_condition(status, "False", "InsufficientPods")


def with_condition(status: Json, value: str, reason: str, message: str = "") -> list[Json]:
    """The conditions of a budget's status with `DisruptionAllowed` set; its time tells when its value changed."""
    conditions = status.get("conditions") or []
    old = next((one for one in conditions if one["type"] == "DisruptionAllowed"), {"status": None})
    since = old["lastTransitionTime"] if old["status"] == value else timestamp()
    new = {
        "type": "DisruptionAllowed",
        "status": value,
        "observedGeneration": status.get("observedGeneration", 0),
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
    return [*(one for one in conditions if one["type"] != "DisruptionAllowed"), new]


def _controller_of(obj: Json) -> Json | None:
    owners: list[Json] = obj["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def _key_of(budget: Json) -> Key:
    return budget["metadata"]["namespace"], budget["metadata"]["name"]
