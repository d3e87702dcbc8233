"""Statuses and conditions, written only when they differ from what the API server has.

PodGroup status is the scheduler's alone, and so are a Queue's numbers; a Queue's `state` is its controller's and left
out. A pod gets `PodScheduled=False` in kube-scheduler's words, unless it is gated: that condition is the API server's.
"""

from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from aiokai.client.api import STRATEGIC_MERGE_PATCH, ApiClient
from aiokai.client.resource import PODS
from aiokai.dialects import DIALECTS
from aiokai.model.base import Identity
from aiokai.model.conditions import without_condition
from aiokai.model.kube import Condition, Pod
from aiokai.model.merge_patch import merge_patch
from aiokai.model.pod_group import PodGroup, PodGroupStatus
from aiokai.model.queue import Queue, QueueStatus
from aiokai.operator.events import kubernetes_time
from aiokai.operator.invalid import INVALID
from aiokai.operator.resources import served_at
from aiokai.operator.writes import LowPriorityWrites
from aiokai.session.decisions import Verdict

POD_SCHEDULED = "PodScheduled"
UNSCHEDULABLE = "Unschedulable"


class Observed(Protocol):
    """What the watches show now."""

    def pod(self, namespace: str, name: str) -> Pod | None: ...
    def pod_group(self, identity: Identity) -> PodGroup | None: ...
    def queue(self, identity: Identity) -> Queue | None: ...


class _Wanted(NamedTuple):
    content: object
    version: str
    """The object's resourceVersion when this was wanted: the same content is not sent twice before the watch moves."""


class StatusWriter:
    """Brings what was decided into statuses, behind every other write."""

    def __init__(
        self, client: ApiClient, writes: LowPriorityWrites, observed: Observed, is_binding: Callable[[str], bool]
    ) -> None:
        self._client = client
        self._writes = writes
        self._observed = observed
        self._is_binding = is_binding
        self._wanted: dict[str, _Wanted] = {}

    def pod_group(self, identity: Identity, status: PodGroupStatus) -> None:
        """Write a PodGroup's status, whole."""
        old = self._observed.pod_group(identity)
        if old is None:
            return
        kind = DIALECTS[identity.dialect].pod_group
        status = status.model_copy(update={"conditions": without_condition(status.conditions, INVALID)})
        change = merge_patch(kind.encode_status(old.status), kind.encode_status(status))
        self._patch_status(kind.resource, identity, old.metadata.uid, old.metadata.resource_version, change)

    def queue(self, identity: Identity, status: QueueStatus) -> None:
        """Write a Queue's numbers; its state and what others say about it stay."""
        old = self._observed.queue(identity)
        if old is None:
            return
        kind = DIALECTS[identity.dialect].queue
        status = status.model_copy(update={"state": old.status.state})
        change = merge_patch(kind.encode_status(old.status), kind.encode_status(status))
        self._patch_status(kind.resource, identity, old.metadata.uid, old.metadata.resource_version, change)

    def waiting(self, verdict: Verdict) -> None:
        """Say on each waiting pod of a gang why it waits."""
        for _, namespace, name in verdict.pods:
            pod = self._observed.pod(namespace, name)
            if pod is None or pod.spec.node_name or pod.spec.scheduling_gates:
                continue
            condition = waiting_condition(pod, verdict.pod_message, datetime.now(UTC))
            if condition is not None and self._is_news(pod.metadata.uid, verdict.pod_message, _version(pod)):
                self._writes.submit(("pod", pod.metadata.uid), lambda pod=pod, it=condition: self._say(pod, it))  # type: ignore[misc]

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._wanted.pop(uid, None)

    def _patch_status(
        self, resource: Any, identity: Identity, uid: str, version: str, change: dict[str, Any]
    ) -> None:  # fmt: skip
        if not change or not self._is_news(uid, change, version):
            return
        body = {"metadata": {"uid": uid}, "status": change}

        async def write() -> None:
            await self._client.patch(
                served_at(resource), identity.name, body, identity.namespace, subresource="status", into=bytes
            )

        self._writes.submit((str(resource), uid), write)

    async def _say(self, pod: Pod, condition: dict[str, Any]) -> None:
        if self._is_binding(pod.metadata.uid):
            return
        # The version makes it fail if the pod was bound in the meantime.
        body = {"metadata": {"resourceVersion": _version(pod)}, "status": {"conditions": [condition]}}
        await self._client.patch(
            PODS, pod.metadata.name, body, pod.metadata.namespace,
            media=STRATEGIC_MERGE_PATCH, subresource="status", into=bytes,
        )  # fmt: skip

    def _is_news(self, uid: str, content: Hashable | dict[str, Any], version: str) -> bool:
        wanted = _Wanted(content, version)
        if self._wanted.get(uid) == wanted:
            return False
        self._wanted[uid] = wanted
        return True


def waiting_condition(pod: Pod, message: str, now: datetime) -> dict[str, Any] | None:
    """PodScheduled=False with `message`; None if the pod says so already."""
    old = next((c for c in pod.status.conditions if c.type == POD_SCHEDULED), Condition())
    if (old.status, old.reason, old.message) == ("False", UNSCHEDULABLE, message):
        return None
    since = old.last_transition_time if old.status == "False" and old.last_transition_time else now
    return {
        "type": POD_SCHEDULED,
        "status": "False",
        "reason": UNSCHEDULABLE,
        "message": message,
        "lastTransitionTime": kubernetes_time(since),
    }


def _version(pod: Pod) -> str:
    return pod.metadata.resource_version
