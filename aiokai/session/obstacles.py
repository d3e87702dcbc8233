"""Gangs that wait for something no node can give: a queue, an edit, a gate; and what they are told."""

import numpy as np

from aiokai.dialects import DIALECTS
from aiokai.model.reasons import Reason
from aiokai.session.decisions import Verdict
from aiokai.session.explain import refusal
from aiokai.session.session import Session
from aiokai.snapshot.arrays import GangFacts, TaskState


def obstructed(session: Session) -> list[int]:
    """Gangs with an obstacle of their own, their queue's, or of a task that waits."""
    tasks, gangs, queues = session.facts.tasks, session.facts.gangs, session.facts.queues
    waiting = (session.ledger.task_state == TaskState.PENDING) & (tasks.gang >= 0)
    waits = gangs.live & ~session.admitted
    waits[tasks.gang[waiting]] = True
    obstacle = gangs.live & (gangs.obstacle != 0)
    has_queue = gangs.queue >= 0
    obstacle[has_queue] |= queues.obstacle[gangs.queue[has_queue]] != 0
    obstacle[tasks.gang[waiting & (tasks.obstacle != 0)]] = True
    return [int(gang) for gang in np.flatnonzero(obstacle & waits)]


def explain_obstacle(session: Session, gang: int) -> Verdict:
    """What the gang is told: where it says what cannot be, and why that cannot be."""
    facts, reason = session.gang(gang), Reason(int(session.facts.gangs.obstacle[gang]))
    if reason is Reason.NONE and (queue := int(session.facts.gangs.queue[gang])) >= 0:
        reason = Reason(int(session.facts.queues.obstacle[queue]))
    if reason is Reason.NONE:
        return _of_a_task(session, gang, facts)
    return refusal(session, gang, reason, _of_the_gang(facts, reason))


def _of_the_gang(facts: GangFacts, reason: Reason) -> str:
    where = f"metadata.annotations[{DIALECTS[facts.dialect].keys.queue}]" if facts.lone else "spec.queue"
    match reason:
        case Reason.QUEUE_NOT_FOUND:
            return f"{where}: there is no queue {facts.queue!r}"
        case Reason.QUEUE_CLOSED:
            return f"{where}: queue {facts.queue!r} is closed"
        case Reason.QUEUE_NOT_LEAF:
            return f"{where}: queue {facts.queue!r} has queues below it; name one of them"
        case Reason.QUEUE_ORPHAN:
            return f"{where}: a parent of queue {facts.queue!r} is missing or its own child"
        case Reason.POD_GROUP_NOT_FOUND:
            return f"there is no PodGroup {facts.problem!r} in this namespace"
        case Reason.UNSUPPORTED_CONSTRAINT:
            return _unsupported(facts.problem or f"spec.affinity of queue {facts.queue}")
    return facts.problem


def _of_a_task(session: Session, gang: int, facts: GangFacts) -> Verdict:
    """The first task's that has one."""
    obstacle = session.facts.tasks.obstacle
    task = next(
        task
        for task in session.tasks_of(gang)
        if obstacle[task] and session.ledger.task_state[task] == TaskState.PENDING
    )
    reason, told = Reason(int(obstacle[task])), session.task(task)
    message = told.problem
    if reason is Reason.UNSUPPORTED_CONSTRAINT:
        message = _unsupported(told.problem)
    elif reason is Reason.SCHEDULING_GATED:
        message = f"waits for its scheduling gates: {told.problem}"
    return refusal(session, gang, reason, message if facts.lone else f"pod {told.name}: {message}", message)


def _unsupported(field: str) -> str:
    return f"UnsupportedConstraint {field}: aiokai does not keep this constraint yet"
