"""ResourceQuotas: how many pods a namespace may hold, and what they may request.

A pod counts from its creation until it has ended or is gone. What is counted: `pods`, `cpu`, `memory`, and everything
under `requests.` and `limits.`; other names in a quota, and quotas with scopes, limit nothing here. The sums are kept
for namespaces that have a quota, and brought up to date by every write, so a refusal is never late; the status follows
at most some fifty times a second. Sources: `pkg/admission/plugin/resourcequota`, `pkg/quota/v1/evaluator/core`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from aiokai.localcluster.due import Due
from aiokai.localcluster.objects import Json, Key, dig
from aiokai.localcluster.podspec import containers_of
from aiokai.localcluster.resources import Catalog, Resource
from aiokai.localcluster.status import forbidden
from aiokai.localcluster.store import Collection, Event, Store, Stored
from aiokai.localcluster.writes import Writes
from aiokai.model.quantity import base_to_quantity, quantity_to_base

_PODS, _QUOTAS = "pods.", "resourcequotas."
_ENDED = ("Succeeded", "Failed")
_SIDES = {"requests.": "requests", "limits.": "limits"}
_BARE = ("cpu", "memory", "ephemeral-storage")
_MUST_BE_SAID = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})

Amounts = Counter[str]
"""Base units (model/quantity.py) by the names that quotas use."""


class Quotas:
    """The quotas of the cluster, and what counts against them."""

    def __init__(self, store: Store, catalog: Catalog, writes: Writes) -> None:
        self._store = store
        self._catalog = catalog
        self._writes = writes
        self._hard: defaultdict[str, dict[str, dict[str, str]]] = defaultdict(dict)
        """By namespace and name of the quota."""
        self._charged: defaultdict[str, dict[str, Amounts]] = defaultdict(dict)
        """By namespace and name of the pod."""
        self._used: defaultdict[str, Amounts] = defaultdict(Counter)
        self._due = Due("quota", self._write_status)
        store.observers.append(self._observe)
        writes.admissions.append(self._admit)

    async def run(self) -> None:
        """Keep statuses until cancelled."""
        await self._due.run()

    def _admit(self, resource: Resource, obj: Json) -> None:
        """Raises: Refusal 403 if a new pod is more than a quota leaves."""
        namespace = obj["metadata"].get("namespace", "")
        if resource.collection != _PODS or not self._hard.get(namespace):
            return
        amounts, used = amounts_of(obj["spec"]), self._used[namespace]
        for quota, hard in sorted(self._hard[namespace].items()):
            why = _unsaid(quota, hard, obj["spec"]) or _exceeded(quota, hard, amounts, used)
            if why:
                raise forbidden(resource, obj["metadata"]["name"], why)

    def _observe(self, collection: Collection, event: Event) -> None:
        namespace, name = event.stored.key
        if collection.name == _QUOTAS:
            if event.type == "DELETED":
                self._hard[namespace].pop(name, None)
                return
            if not self._hard[namespace]:
                self._begin(namespace)
            self._hard[namespace][name] = _limits_of(event.stored)
            self._due.add(event.stored.key)
        elif collection.name == _PODS and self._hard.get(namespace):
            counts = event.type != "DELETED" and event.stored.fields["status.phase"] not in _ENDED
            if counts != (name in self._charged[namespace]):
                self._charge(namespace, name, event.stored if counts else None)
                for quota in self._hard[namespace]:
                    self._due.add((namespace, quota))

    def _begin(self, namespace: str) -> None:
        """Count the pods that are there when a namespace gets its first quota."""
        self._charged.pop(namespace, None)
        self._used.pop(namespace, None)
        for stored in self._store.collection(_PODS).select(namespace):
            if stored.fields["status.phase"] not in _ENDED:
                self._charge(namespace, stored.key[1], stored)

    def _charge(self, namespace: str, name: str, stored: Stored | None) -> None:
        if stored is None:
            self._used[namespace].subtract(self._charged[namespace].pop(name))
        else:
            amounts = amounts_of(stored.decoded()["spec"])
            self._charged[namespace][name] = amounts
            self._used[namespace].update(amounts)

    def _write_status(self, key: Key) -> None:
        resource = self._catalog.find("", "v1", "resourcequotas")
        stored = self._store.collection(_QUOTAS).objects.get(key)
        if stored is None:
            return
        quota, used = stored.decoded(), self._used[key[0]]
        hard = dig(quota, "spec", "hard") or {}
        counted = {name: _text(name, used[name]) for name in self._hard[key[0]].get(key[1], ())}
        status = {"hard": hard, "used": counted}
        if status != quota.get("status"):
            self._writes.update(resource, key, lambda obj: {**obj, "status": status}, subresource="status")


def amounts_of(spec: Json) -> Amounts:
    """What a pod counts for."""
    amounts: Amounts = Counter({"pods": 1, "count/pods": 1})
    for prefix, side in _SIDES.items():
        for name, amount in _sums(spec, side).items():
            amounts[f"{prefix}{name}"] = amount
            if side == "requests" and name in _BARE:
                amounts[name] = amount
    return amounts


def _sums(spec: Json, side: str) -> Amounts:
    """Containers run together, init containers one after another, unless they are to go on running."""
    together: Amounts = Counter()
    most: Amounts = Counter()
    for path, container in containers_of(spec):
        said = dig(container, "resources", side) or {}
        amounts = Counter({name: quantity_to_base(name, text) for name, text in said.items()})
        if path.startswith("spec.initContainers") and container.get("restartPolicy") != "Always":
            most |= together + amounts
        else:
            together += amounts
    return most | together


def _limits_of(stored: Stored) -> dict[str, str]:
    """The part of a quota that limits something here."""
    spec: Json = stored.decoded()["spec"]
    if spec.get("scopes") or spec.get("scopeSelector"):
        return {}
    counted = ("pods", "count/pods", *_BARE)
    return {
        name: text
        for name, text in (spec.get("hard") or {}).items()
        if name in counted or name.startswith(tuple(_SIDES))
    }


def _exceeded(quota: str, hard: dict[str, str], amounts: Amounts, used: Amounts) -> str:
    """Why a pod does not fit into a quota; empty if it does."""
    over = sorted(
        name for name, text in hard.items() if amounts[name] and used[name] + amounts[name] > _base(name, text)
    )
    if not over:
        return ""
    requested = _listed((name, _text(name, amounts[name])) for name in over)
    taken = _listed((name, _text(name, used[name])) for name in over)
    limited = _listed((name, hard[name]) for name in over)
    return f"exceeded quota: {quota}, requested: {requested}, used: {taken}, limited: {limited}"


def _unsaid(quota: str, hard: dict[str, str], spec: Json) -> str:
    """What each container has to say and does not; empty if nothing is missing."""
    missing = []
    for name in sorted(_MUST_BE_SAID & hard.keys()):
        side, short = ("limits" if name.startswith("limits.") else "requests"), name.rpartition(".")[2]
        silent = sorted(
            one["name"] for _, one in containers_of(spec) if short not in (dig(one, "resources", side) or {})
        )
        if silent:
            missing.append(f"{name} for: {','.join(silent)}")
    return f"failed quota: {quota}: must specify {'; '.join(missing)}" if missing else ""


def _resource(name: str) -> str:
    return next(
        (name.removeprefix(prefix) for prefix in _SIDES if name.startswith(prefix)), name.removeprefix("count/")
    )


def _base(name: str, text: str) -> int:
    return quantity_to_base(_resource(name), text)


def _text(name: str, amount: int) -> str:
    return base_to_quantity(_resource(name), amount)


def _listed(amounts: Iterable[tuple[str, str]]) -> str:
    return ",".join(f"{name}={text}" for name, text in amounts)
