"""Queues: whether each is open, one reconcile step at a time."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aiokai.controllers.queue import OPEN, reconcile
from aiokai.dialects import Dialect
from aiokai.errors import ConflictError, NotFoundError
from aiokai.model.base import Identity
from aiokai.model.pod_group import PodGroup
from aiokai.model.queue import DEFAULT_QUEUE
from aiokai.operator.events import Regarding
from aiokai.operator.execution import Execution
from aiokai.operator.observed import Cluster
from aiokai.snapshot.derive import referred_queues


class QueueKey(NamedTuple):
    dialect: str
    name: str

    def __str__(self) -> str:
        return f"queue {self.name}"


class Queues:
    """Every Queue as kopf saw it last; the PodGroups in it come from the Reflectors."""

    def __init__(
        self,
        cluster: Cluster,
        execution: Execution,
        dialects: tuple[Dialect, ...],
        wake: Callable[[QueueKey], None],
    ) -> None:
        self._cluster = cluster
        self._execution = execution
        self._dialects = {dialect.name: dialect for dialect in dialects}
        self._wake = wake
        self._bodies: dict[QueueKey, Mapping[str, Any]] = {}

    def queue_seen(self, dialect: str, event_type: str | None, body: Mapping[str, Any]) -> None:
        """Take in what kopf saw of a Queue."""
        key = QueueKey(dialect, body["metadata"]["name"])
        if event_type == "DELETED":
            self._bodies.pop(key, None)
            return
        self._bodies[key] = body
        self._wake(key)

    def pod_group_changed(self, pod_group: PodGroup) -> None:
        """A closing queue is closed once nothing in it is left."""
        key = self._payer(pod_group)
        queue = self._cluster.queue(Identity(key.dialect, "", key.name))
        if queue is not None and queue.spec.state != OPEN:
            self._wake(key)

    def _payer(self, pod_group: PodGroup) -> QueueKey:
        """The queue that the PodGroup names: its own dialect's, or the native one where only that exists."""
        own, *others = referred_queues(pod_group.dialect, pod_group.spec.queue or DEFAULT_QUEUE)
        found = next((identity for identity in (own, *others) if self._cluster.queue(identity) is not None), own)
        return QueueKey(found.dialect, found.name)

    async def step(self, key: QueueKey) -> float | None:
        """Reconcile one Queue once.

        Returns: None: nothing is to be done before something changes.

        Raises:
            ApiError: the state could not be written.
        """
        body = self._bodies.get(key)
        if body is None:
            return None
        dialect = self._dialects[key.dialect]
        groups = [
            group
            for name in self._dialects
            for group in self._cluster.pod_groups(name).values()
            if self._payer(group) == key
        ]
        changes = reconcile(body, groups, dialect)
        resource = dialect.queue.resource
        about = Regarding(resource.api_version, resource.kind, "", key.name, body["metadata"]["uid"])
        try:
            await self._execution.carry_out(changes, about, resource, {})
        except (NotFoundError, ConflictError):
            # It is gone; kopf will say so, or has missed it while it listed again.
            self._bodies.pop(key, None)
        return None
