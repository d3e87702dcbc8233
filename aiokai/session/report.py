"""From a finished session to Decisions: what was committed, and the statuses that now differ from what is written."""

from collections.abc import Iterable, Sequence

import numpy as np

from aiokai.devices.vgpu import Grant, annotations_of
from aiokai.kernels.fit import memory_on
from aiokai.kernels.ledger import ALLOCATE, PIPELINE
from aiokai.model.conditions import ConditionStatus, with_condition, without_condition
from aiokai.model.pod_group import GangKey, GangPhase, PodGroupStatus
from aiokai.model.quantity import base_to_quantity
from aiokai.model.reasons import Reason
from aiokai.session.decisions import Bind, Decisions, GangDecision, Nominate, QueueDecision
from aiokai.session.obstacles import explain_obstacle, obstructed
from aiokai.session.quantum import quantum_of
from aiokai.session.session import Session
from aiokai.snapshot.arrays import I32, I64, TaskState
from aiokai.snapshot.derive import PHASE_CODES

INVALID = "Invalid"
"""The condition of an object that could not be read. What is reported here could."""
SCHEDULED = "Scheduled"
"""The condition of a PodGroup that says whether its gang is placed, and if not, why."""


def report(session: Session) -> Decisions:
    """Everything decided, gangs with placements first in the order in which they got them."""
    binds: dict[int, list[Bind]] = {}
    nominations: dict[int, list[Nominate]] = {}
    gang_of, node_of = session.facts.tasks.gang.tolist(), session.ledger.task_node.tolist()
    for what, task in session.operations:
        if what == ALLOCATE:
            binds.setdefault(gang_of[task], []).append(_bind(session, task, node_of[task]))
        elif what == PIPELINE:
            nominations.setdefault(gang_of[task], []).append(_nominate(session, task, node_of[task]))
    for gang in obstructed(session):
        session.verdicts.setdefault(gang, explain_obstacle(session, gang))
    wanted = _phases_and_counts(session)
    statuses = _statuses(session, wanted, {*binds, *nominations})
    spoken = dict.fromkeys([*binds, *nominations, *sorted(session.verdicts), *sorted(statuses)])
    gangs = tuple(
        GangDecision(
            _key(session, gang),
            tuple(binds.get(gang, ())),
            tuple(nominations.get(gang, ())),
            session.verdicts.get(gang),
            statuses.get(gang),
        )
        for gang in spoken
    )
    return Decisions(gangs, tuple(_queue_decisions(session, wanted[:, 0])))


def _key(session: Session, gang: int) -> GangKey:
    facts = session.gang(gang)
    return GangKey(facts.dialect, facts.namespace, facts.name, facts.lone)


def _bind(session: Session, task: int, node: int) -> Bind:
    facts, told = session.task(task), session.node(node)
    if not facts.asks:
        return Bind(facts.uid, facts.namespace, facts.name, told.name, {})
    places, cards = _devices(session, task), session.snapshot.cards[node]
    grants = [
        Grant(ask.container, cards[place].uuid, int(memory_on(ask.memory, cards[place].memory)), ask.cores)
        for ask, place in zip(facts.asks, places, strict=True)
    ]
    annotations = annotations_of(grants, facts.containers, told.name, session.snapshot.now)
    return Bind(facts.uid, facts.namespace, facts.name, told.name, annotations, places)


def _nominate(session: Session, task: int, node: int) -> Nominate:
    facts = session.task(task)
    return Nominate(facts.uid, facts.namespace, facts.name, session.node(node).name, _devices(session, task))


def _devices(session: Session, task: int) -> tuple[int, ...]:
    return tuple(int(place) for place in session.ledger.task_devices[task] if place >= 0)


def _statuses(session: Session, wanted: I32, placed: set[int]) -> dict[int, PodGroupStatus]:
    """Statuses of PodGroups that differ from what is written.

    Args:
        session: the finished one.
        wanted: [G, 5] phases and counts.
        placed: gangs that got something.
    """
    gangs, now = session.facts.gangs, session.snapshot.now
    differs = gangs.grouped & gangs.live & (wanted != gangs.written).any(axis=1)
    statuses: dict[int, PodGroupStatus] = {}
    for gang in sorted({*np.flatnonzero(differs).tolist(), *placed, *session.verdicts}):
        group = session.gang(gang).pod_group
        if group is None:
            continue
        old = group.status
        phase, pending, running, succeeded, failed = (int(x) for x in wanted[gang])
        condition = _condition(session, gang, runs=_PHASES[phase] == GangPhase.RUNNING)
        conditions = without_condition(old.conditions, INVALID)
        conditions = with_condition(conditions, condition, now) if condition else conditions
        status = PodGroupStatus(
            phase=_PHASES[phase],
            pending=pending,
            running=running,
            succeeded=succeeded,
            failed=failed,
            conditions=conditions,
        )
        if status != old:
            statuses[gang] = status
    return statuses


_PHASES: Sequence[str] = [str(phase) for phase in GangPhase]


def _phases_and_counts(session: Session) -> I32:
    """[G, 5] phase code, pending, running, succeeded, failed, as they are once the decisions are carried out."""
    tasks, state, size = session.facts.tasks, session.ledger.task_state, len(session.snapshot.gangs)
    used = tasks.gang >= 0
    counts = np.bincount(tasks.gang[used] * 8 + state[used], minlength=size * 8).reshape(size, 8)
    pending = counts[:, TaskState.PENDING] + counts[:, TaskState.PIPELINED]
    placed = counts[:, TaskState.BOUND] + counts[:, TaskState.ALLOCATED] + counts[:, TaskState.RUNNING]
    running, succeeded, failed = (
        counts[:, TaskState.RUNNING],
        counts[:, TaskState.SUCCEEDED],
        counts[:, TaskState.FAILED],
    )
    minimum = session.facts.subgroups.min_member[session.facts.gangs.root] if size else np.zeros(0, np.int32)
    phase = np.where(session.admitted, PHASE_CODES[GangPhase.INQUEUE], PHASE_CODES[GangPhase.PENDING])
    whole = (placed + succeeded + failed >= minimum) & (placed + succeeded + failed > 0)
    phase = np.where(whole, PHASE_CODES[GangPhase.RUNNING], phase)
    over = (succeeded + failed > 0) & (counts.sum(axis=1) == succeeded + failed) & (succeeded + failed >= minimum)
    # What has ended stays so when its pods are gone: it asks for nothing any more.
    over |= (session.facts.gangs.written[:, 0] == PHASE_CODES[GangPhase.COMPLETED]) & (counts.sum(axis=1) == 0)
    phase = np.where(over, PHASE_CODES[GangPhase.COMPLETED], phase)
    return np.stack([phase, pending + placed - running, running, succeeded, failed], axis=1).astype(np.int32)


def _condition(session: Session, gang: int, *, runs: bool) -> ConditionStatus | None:
    """`runs`: it has its minimum without what only waits for room that is being released."""
    quantum = quantum_of(session, gang)
    verdict = session.verdicts.get(gang)
    if verdict is not None and quantum.whole and runs and session.admitted[gang]:
        message = f"it has its minimum; what is above it waits: {verdict.message}"
        return ConditionStatus(type=SCHEDULED, status="True", reason="Scheduled", message=message)
    if verdict is not None:
        return ConditionStatus(type=SCHEDULED, status="False", reason=verdict.reason.title, message=verdict.message)
    if quantum.whole or not (quantum.missing or quantum.tasks):
        if any(session.ledger.task_state[task] != TaskState.PENDING for task in session.snapshot.gang_tasks[gang]):
            return ConditionStatus(
                type=SCHEDULED, status="True", reason="Scheduled", message="every task it needs has a node"
            )
        return None
    if quantum.missing:
        message = f"{quantum.missing} of the pods it needs do not exist or are held back"
        return ConditionStatus(type=SCHEDULED, status="False", reason=Reason.GANG_INCOMPLETE.title, message=message)
    return None


def _queue_decisions(session: Session, phases: I32) -> Iterable[QueueDecision]:
    """Numbers of queues that differ from what is written; `phases` [G] are codes."""
    gangs, queues = session.facts.gangs, session.facts.queues
    mine = gangs.live & (gangs.queue >= 0)
    size = len(PHASE_CODES)
    counts = np.bincount(gangs.queue[mine] * size + phases[mine], minlength=len(queues.parent) * size).reshape(-1, size)
    for row in queues.order.tolist():
        queue = session.snapshot.queues[row]
        if queue is None:
            continue
        old = queue.status
        status = old.model_copy(
            update={
                "conditions": without_condition(old.conditions, INVALID),
                "allocated": _amounts(session, session.ledger.queue_held[row]),
                "fair_share": _amounts(session, session.entitled[row]),
                "pending": int(counts[row, PHASE_CODES[GangPhase.PENDING]]),
                "inqueue": int(counts[row, PHASE_CODES[GangPhase.INQUEUE]]),
                "running": int(counts[row, PHASE_CODES[GangPhase.RUNNING]]),
            }
        )
        if status != old:
            yield QueueDecision(queue.identity, status)


def _amounts(session: Session, row: I64) -> dict[str, str]:
    return {
        name: base_to_quantity(name, int(amount))
        for name, amount in zip(session.snapshot.resources, row, strict=True)
        if amount
    }
