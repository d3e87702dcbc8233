"""Evictions: to delete a pod if its PodDisruptionBudget allows it.

Source: kube-apiserver `pkg/registry/core/pod/storage/eviction.go`. What an eviction takes from a budget is written into
the budget's status at once; budgets.py counts it again when the pod is seen to leave. The budget is spent before the
preconditions of the deletion are looked at, as on the real server.
"""

from aiokai.localcluster.budgets import allowance_condition, is_ready
from aiokai.localcluster.objects import Json, Key, dig, timestamp
from aiokai.localcluster.requests import deletion_of
from aiokai.localcluster.resources import Catalog, Resource
from aiokai.localcluster.selectors import matches, selector_of
from aiokai.localcluster.status import Refusal, bad_request
from aiokai.localcluster.store import Store, Stored
from aiokai.localcluster.typed import admit, schema_of_model
from aiokai.localcluster.writes import Deletion, Options, Writes

_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_RETRY_AFTER_S = 10
_MOST_DISRUPTED = 2000
_TWO_BUDGETS = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


class Evictions:
    """Evicting pods of one cluster."""

    def __init__(self, store: Store, catalog: Catalog, writes: Writes) -> None:
        self._store = store
        self._catalog = catalog
        self._writes = writes

    def evict(self, key: Key, eviction: Json, options: Options) -> None:
        """Raises: Refusal."""
        admit(schema_of_model("V1Eviction"), eviction, "Eviction", "v1")
        if dig(eviction, "metadata", "name") != key[1]:
            raise bad_request("name in URL does not match name in Eviction object")
        asked = eviction.get("deleteOptions") or {}
        options = options._replace(dry_run=options.dry_run or bool(asked.get("dryRun")))
        pods = self._catalog.find("", "v1", "pods")
        stored = self._writes.find(pods, key)
        pod = stored.decoded()
        if not _disrupts_nobody(pod):
            self._spend_budget(stored, pod, options)
        self._delete(pods, stored, deletion_of(asked), options)

    def _spend_budget(self, stored: Stored, pod: Json, options: Options) -> None:
        resource = self._catalog.find("policy", "v1", "poddisruptionbudgets")
        found = []
        for budget in self._store.collection(resource.collection).select(stored.key[0]):
            obj = budget.decoded()
            selector = selector_of(dig(obj, "spec", "selector"))
            if selector is not None and matches(selector, stored.labels):
                found.append(obj)
        if len(found) > 1:
            raise Refusal(500, "", _TWO_BUDGETS)
        if not found or (not is_ready(pod) and _lets_sick_pods_go(found[0])):
            return
        spent = _spent(found[0], stored.key[1])
        if not options.dry_run:
            key = (stored.key[0], found[0]["metadata"]["name"])
            self._writes.update(resource, key, lambda obj: {**obj, "status": spent}, subresource="status")

    def _delete(self, pods: Resource, stored: Stored, deletion: Deletion, options: Options) -> None:
        if not options.dry_run:
            _require(stored, deletion)
            self._writes.update(pods, stored.key, _marked, subresource="status")
        self._writes.delete(pods, stored.key, deletion._replace(version=None), options)


def _disrupts_nobody(pod: Json) -> bool:
    ended_or_not_begun = dig(pod, "status", "phase") in ("Pending", "Succeeded", "Failed")
    return ended_or_not_begun or "deletionTimestamp" in pod["metadata"]


def _lets_sick_pods_go(budget: Json) -> bool:
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy", 0)
    enough = desired > 0 and status.get("currentHealthy", 0) >= desired
    return bool(enough or dig(budget, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow")


def _spent(budget: Json, pod_name: str) -> Json:
    """The status of a budget after one more eviction.

    Raises: Refusal 429 if there may be none, 403 if too many are under way.
    """
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    if status.get("observedGeneration", 0) < budget["metadata"]["generation"]:
        why = f"The disruption budget {name} is still being processed by the server."
        raise _too_many_requests(why, {"retryAfterSeconds": _RETRY_AFTER_S})
    disrupted = status.get("disruptedPods") or {}
    if len(disrupted) > _MOST_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise Refusal(403, "Forbidden", f'poddisruptionbudget.policy "{name}" is forbidden: {why}')
    if not status["disruptionsAllowed"]:
        raise _too_many_requests(_why_spent(name, status))
    spent = {
        **status,
        "disruptionsAllowed": status["disruptionsAllowed"] - 1,
        "disruptedPods": {**disrupted, pod_name: timestamp()},
    }
    return spent | {"conditions": allowance_condition(spent)}


def _why_spent(name: str, status: Json) -> str:
    condition = next(iter(status.get("conditions") or ()), {"reason": "", "message": ""})
    if condition["reason"] == "SyncFailed":
        why = f"does not allow evicting pods currently because it failed sync: {condition['message']}"
    elif status["currentHealthy"] <= status["desiredHealthy"]:
        why = f"needs {status['desiredHealthy']} healthy pods and has {status['currentHealthy']} currently"
    else:
        why = "does not allow evicting pods currently"
    return f"The disruption budget {name} {why}"


def _too_many_requests(why: str, more: Json | None = None) -> Refusal:
    details = {"causes": [{"reason": "DisruptionBudget", "message": why}], **(more or {})}
    return Refusal(429, "TooManyRequests", _REFUSED, details)


def _require(stored: Stored, deletion: Deletion) -> None:
    """Raises: Refusal 409 if the pod is not the one that was meant."""
    is_now = (("UID", deletion.uid, stored.uid), ("ResourceVersion", deletion.version, str(stored.version)))
    for what, wanted, found in is_now:
        if wanted and wanted != found:
            name = stored.key[1]
            why = f"the {what} in the precondition ({wanted}) does not match the {what} in record ({found})"
            why += ". The object might have been " + ("deleted and then recreated" if what == "UID" else "modified")
            message = f'Operation cannot be fulfilled on Pod "{name}": {why}'
            raise Refusal(409, "Conflict", message, {"name": name, "kind": "Pod"})


def _marked(pod: Json) -> Json:
    conditions = dig(pod, "status", "conditions") or []
    if any(one["type"] == "DisruptionTarget" and one["status"] == "True" for one in conditions):
        return pod
    others = [one for one in conditions if one["type"] != "DisruptionTarget"]
    pod["status"]["conditions"] = [
        *others,
        {
            "type": "DisruptionTarget",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": timestamp(),
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        },
    ]
    return pod
