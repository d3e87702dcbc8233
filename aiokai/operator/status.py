"""Statuses and conditions, written only when they differ from what the API server has.

PodGroup status is the scheduler's alone, and so are a Queue's numbers; a Queue's `state` is its controller's and left
out. A pod gets `PodScheduled=False` in kube-scheduler's words, unless it is gated: that condition is the API server's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from aiokai.client.api import STRATEGIC_MERGE_PATCH, ApiClient
from aiokai.dialects import DIALECTS
from aiokai.dialects.dialect import DialectKind
from aiokai.errors import BadRequestError, ConflictError, ForbiddenError, NotFoundError
from aiokai.model.base import Custom, Envelope, Identity
from aiokai.model.conditions import without_condition
from aiokai.model.kube import Condition, Pod
from aiokai.model.pod_group import PodGroup, PodGroupStatus
from aiokai.model.queue import Queue, QueueStatus
from aiokai.model.resource import PODS
from aiokai.operator.events import kubernetes_time
from aiokai.operator.invalid import INVALID
from aiokai.operator.writes import LowPriorityWrites
from aiokai.session.decisions import Verdict

POD_SCHEDULED = "PodScheduled"
UNSCHEDULABLE = "Unschedulable"


class Observed(Protocol):
    """What the watches show now."""

    def pod(self, namespace: str, name: str) -> Pod | None: ...
    def pod_group(self, identity: Identity) -> PodGroup | None: ...
    def queue(self, identity: Identity) -> Queue | None: ...


Json = dict[str, Any]


@dataclass(slots=True)
class _Sent:
    """A status that was sent, or waits to be, until the watch shows it.

    Attributes:
        status: as JSON, whole.
        version: the object's resourceVersion after the write; empty before.
    """

    status: Json
    version: str = ""


class StatusWriter:
    """Brings what was decided into statuses, behind every other write."""

    def __init__(
        self,
        client: ApiClient,
        writes: LowPriorityWrites,
        observed: Observed,
        is_binding: Callable[[str], bool],
        assume: Callable[[PodGroup], None],
    ) -> None:
        """Make a writer that has written nothing.

        Args:
            client: to write with.
            writes: where writes wait.
            observed: what the watches show.
            is_binding: whether the pod with a uid is on its way to a node.
            assume: called with a PodGroup as it will be. The next cycle must not decide from the status before, or two
                gangs are admitted for one room; if the write is refused, called with it as it still is.
        """
        self._client = client
        self._writes = writes
        self._observed = observed
        self._is_binding = is_binding
        self._assume = assume
        self._sent: dict[str, _Sent] = {}
        self._said: dict[str, tuple[str, str]] = {}

    def pod_group(self, identity: Identity, status: PodGroupStatus) -> None:
        """Write a PodGroup's status, whole."""
        old = self._observed.pod_group(identity)
        if old is None:
            return
        kind = DIALECTS[identity.dialect].pod_group
        status = status.model_copy(update={"conditions": without_condition(status.conditions, INVALID)})
        self._assume(replace(old, status=status))
        self._send(kind, old, kind.encode_status(status), lambda: self._give_up(identity))

    def queue(self, identity: Identity, status: QueueStatus) -> None:
        """Write a Queue's numbers; its state is its controller's."""
        old = self._observed.queue(identity)
        if old is None:
            return
        kind = DIALECTS[identity.dialect].queue
        wanted = kind.encode_status(status.model_copy(update={"state": ""}))
        self._send(kind, replace(old, status=old.status.model_copy(update={"state": ""})), wanted, lambda: None)

    def waiting(self, verdict: Verdict) -> None:
        """Say on each waiting pod of a gang why it waits."""
        for _, namespace, name in verdict.pods:
            pod = self._observed.pod(namespace, name)
            if pod is None or pod.spec.node_name or pod.spec.scheduling_gates:
                continue
            condition = waiting_condition(pod, verdict.pod_message, datetime.now(UTC))
            said = verdict.pod_message, pod.metadata.resource_version
            if condition is None or self._said.get(pod.metadata.uid) == said:
                continue
            self._said[pod.metadata.uid] = said
            self._writes.submit(("pod", pod.metadata.uid), partial(self._say, pod, condition))

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._sent.pop(uid, None)
        self._said.pop(uid, None)

    def _send(
        self, kind: DialectKind[Any, Any], old: Custom[Any, Any], status: Json, give_up: Callable[[], None]
    ) -> None:  # fmt: skip
        """Have `status` written, unless the object has it or will have it."""
        uid, shown = old.metadata.uid, kind.encode_status(old.status)
        sent = self._sent.get(uid)
        if sent is not None and sent.version and int(old.metadata.resource_version) >= int(sent.version):
            sent = None
        if status == (sent.status if sent else shown):
            return
        before = (shown, sent.status) if sent else (shown,)
        sent = self._sent[uid] = _Sent(status)
        body = {"metadata": {"uid": uid}, "status": replacing(status, *before)}
        where, name, namespace = kind.resource, old.metadata.name, old.metadata.namespace

        async def write() -> None:
            try:
                made = await self._client.patch(
                    where, name, body, namespace, subresource=kind.status_path, into=Envelope
                )
            except (NotFoundError, ConflictError, BadRequestError, ForbiddenError):
                if self._sent.get(uid) is sent:
                    del self._sent[uid]
                    give_up()
                raise
            sent.version = made.metadata.resource_version

        self._writes.submit((kind.resource, uid), write)

    def _give_up(self, identity: Identity) -> None:
        pod_group = self._observed.pod_group(identity)
        if pod_group is not None:
            self._assume(pod_group)

    async def _say(self, pod: Pod, condition: dict[str, Any]) -> None:
        if self._is_binding(pod.metadata.uid):
            return
        # The version makes it fail if the pod was bound in the meantime.
        body = {"metadata": {"resourceVersion": pod.metadata.resource_version}, "status": {"conditions": [condition]}}
        await self._client.patch(
            PODS, pod.metadata.name, body, pod.metadata.namespace,
            media=STRATEGIC_MERGE_PATCH, subresource="status", into=bytes,
        )  # fmt: skip


def replacing(new: Json, *olds: Json) -> Json:
    """A merge patch that makes `new` of any of `olds`, whichever the server has when it comes."""
    patch = dict(new)
    for old in olds:
        for name, before in old.items():
            if name not in new:
                patch[name] = None
            elif isinstance(before, dict) and isinstance(new[name], dict):
                patch[name] = dict.fromkeys(before, None) | patch[name]
    return patch


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
