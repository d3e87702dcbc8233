"""Carries decisions out: Bindings first, then what people read about them.

One log line per decision; one Event per gang and decision.
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

from aiokai.dialects import DIALECTS
from aiokai.errors import ApiError
from aiokai.model.pod_group import GangKey
from aiokai.model.queue import DEFAULT_QUEUE
from aiokai.operator.binder import Binder
from aiokai.operator.events import EventRecorder, Regarding
from aiokai.operator.metrics import Metrics
from aiokai.operator.status import Observed, StatusWriter
from aiokai.session.decisions import Bind, Decisions, GangDecision, Verdict

log = logging.getLogger(__name__)

NODES_NAMED: Final = 4


class Dispatcher:
    """Where decisions leave the core."""

    def __init__(
        self,
        binder: Binder,
        status: StatusWriter,
        events: EventRecorder,
        observed: Observed,
        metrics: Metrics,
        owns_queues: Callable[[str], bool],
    ) -> None:
        """Connect the parts. `owns_queues`: whether the numbers in a dialect's Queues are ours to write."""
        self._binder = binder
        self._status = status
        self._events = events
        self._observed = observed
        self._metrics = metrics
        self._owns_queues = owns_queues
        self._said: dict[GangKey, tuple[str, str]] = {}

    def carry_out(self, cycle: int, decision: GangDecision) -> None:
        """Do all of a gang's decision; it must still be true, and its binds assumed."""
        about = self._regarding(decision)
        if decision.binds:
            self._binder.send(decision.binds, _GangReport(self, cycle, decision, about))
        if decision.status is not None:
            self._status.pod_group(decision.gang.identity, decision.status)
        # A gang whose pods have ended and whose PodGroup is gone has nobody left to tell.
        if decision.verdict is not None and (about.uid or decision.verdict.pods):
            self._status.waiting(decision.verdict)
            self._tell(cycle, decision.gang, decision.verdict, about)

    def end_cycle(self, decisions: Decisions) -> None:
        """Do what concerns no single gang, after all gangs."""
        for queue, status in decisions.queues:
            if self._owns_queues(queue.dialect):
                self._status.queue(queue, status)
        pending = {decision.gang for decision in decisions.gangs if decision.verdict is not None}
        for gang in self._said.keys() - pending:
            del self._said[gang]

    def _tell(self, cycle: int, gang: GangKey, verdict: Verdict, about: Regarding) -> None:
        said = (verdict.reason.title, verdict.message)
        if self._said.get(gang) == said:
            return
        self._said[gang] = said
        log.info(
            "waiting %s: %s: %s [queue=%s gang=%s cycle=%d]",
            gang, *said, self.queue_of(gang), gang.name, cycle,
        )  # fmt: skip
        self._events.record(about, "Warning", *said)

    def bound(self, cycle: int, gang: GangKey, bind: Bind, took_s: float) -> None:
        """One pod of a gang is confirmed to be bound."""
        self._metrics.pods_bound.inc()
        self._metrics.bind_duration_s.observe(took_s)
        log.info(
            "bound %s/%s to %s [queue=%s gang=%s cycle=%d]",
            bind.namespace, bind.name, bind.node, self.queue_of(gang), gang.name, cycle,
        )  # fmt: skip

    def started(self, decision: GangDecision, about: Regarding) -> None:
        """Every pod that was decided at once is bound. A lone pod shows it itself: no write more for each of them."""
        if decision.gang.lone:
            return
        nodes = Counter(bind.node for bind in decision.binds)
        named = ", ".join(f"{count} on {node}" for node, count in nodes.most_common(NODES_NAMED))
        more = f" and {len(nodes) - NODES_NAMED} more nodes" if len(nodes) > NODES_NAMED else ""
        pods = "1 pod" if len(decision.binds) == 1 else f"{len(decision.binds)} pods"
        self._events.record(about, "Normal", "Scheduled", f"bound {pods}: {named}{more}")

    def failed(self, bind: Bind, about: Regarding, error: ApiError, *, is_first: bool) -> None:
        """One pod could not be bound; it rests, and is then decided anew. Of a gang the first speaks for all."""
        self._metrics.bind_failures.inc()
        log.warning("binding %s/%s to %s failed: %s", bind.namespace, bind.name, bind.node, error)
        if is_first:
            self._events.record(about, "Warning", "FailedBinding", f"{bind.name} to {bind.node}: {error}")

    def queue_of(self, gang: GangKey) -> str:
        pod_group = None if gang.lone else self._observed.pod_group(gang.identity)
        return pod_group.spec.queue or DEFAULT_QUEUE if pod_group else DEFAULT_QUEUE

    def _regarding(self, decision: GangDecision) -> Regarding:
        """What the user wrote: the Job that the gang is of, else the PodGroup, else the pod."""
        gang = decision.gang
        if gang.lone:
            pod = self._observed.pod(gang.namespace, gang.name)
            return Regarding("v1", "Pod", gang.namespace, gang.name, pod.metadata.uid if pod else "")
        resource = DIALECTS[gang.dialect].pod_group.resource
        pod_group = self._observed.pod_group(gang.identity)
        if pod_group is None:
            return Regarding(resource.api_version, resource.kind, gang.namespace, gang.name, "")
        owner = pod_group.metadata.controller
        if owner is not None:
            return Regarding(owner.api_version, owner.kind, gang.namespace, owner.name, owner.uid)
        return Regarding(resource.api_version, resource.kind, gang.namespace, gang.name, pod_group.metadata.uid)


class _GangReport:
    """Puts the Bindings of one decision together again, for one Event."""

    def __init__(self, dispatcher: Dispatcher, cycle: int, decision: GangDecision, about: Regarding) -> None:
        self._dispatcher = dispatcher
        self._cycle = cycle
        self._decision = decision
        self._about = about
        self._open = len(decision.binds)
        self._has_failed = False

    def bound(self, bind: Bind, took_s: float) -> None:
        self._dispatcher.bound(self._cycle, self._decision.gang, bind, took_s)
        self._open -= 1
        if not self._open:
            self._dispatcher.started(self._decision, self._about)

    def failed(self, bind: Bind, error: ApiError) -> None:
        self._dispatcher.failed(bind, self._about, error, is_first=not self._has_failed)
        self._has_failed = True
