"""Admit gangs: only then are the pods of a Job made, so that what cannot start costs nothing.

In the order in which gangs will be served, a gang is admitted while its minimum fits into what is free or being freed,
less what gangs admitted before it still wait for, and into what its queue may have (DESIGN §5.3). A gang whose pods all
exist already has nothing to hold back, so only its queue is asked. With `against: quota` nodes are never asked. A queue
that is first-in, first-out admits nobody behind a gang that is refused.
"""

import numpy as np

from aiokai.model.pod_group import GangPhase
from aiokai.model.reasons import Reason
from aiokai.session.decisions import Verdict
from aiokai.session.explain import amounts, behind, over_capability, refusal
from aiokai.session.order import GangQueue
from aiokai.session.quantum import quantum_of
from aiokai.session.session import Session
from aiokai.snapshot.arrays import I64
from aiokai.snapshot.derive import PHASE_CODES


def enqueue(session: Session) -> None:
    gangs = session.gangs_with_work()
    if session.admitted[gangs].all():
        return
    ledger, nodes = session.ledger, session.facts.nodes
    room: I64 = np.maximum(ledger.node_idle + ledger.node_releasing, 0)[nodes.live].sum(axis=0)
    queue = GangQueue(session, gangs + _without_pods(session))
    blocked: dict[int, int] = {}  # of each first-in, first-out queue, the gang that holds back those behind it
    while (gang := queue.pop()) is not None:
        request, charge, exists = _outstanding(session, gang)
        fits = bool((request <= room)[request > 0].all())
        if not session.admitted[gang]:
            leaf = int(session.facts.gangs.queue[gang])
            verdict = (
                behind(session, gang, blocked[leaf])
                if leaf in blocked
                else _refusal(session, gang, request, charge, room, fits=fits or exists)
            )
            if verdict is not None:
                session.verdicts[gang] = verdict
                if session.is_fifo(gang):
                    blocked.setdefault(leaf, gang)
                continue
            session.admitted[gang] = True
        _expect(session, gang, charge)
        if fits:
            room = room - request
    session.expected[:] = 0


def _refusal(session: Session, gang: int, request: I64, charge: I64, room: I64, *, fits: bool) -> Verdict | None:
    """Why a gang is not admitted; None if it is. `fits`: as far as nodes are concerned."""
    if (above := _over_capability(session, gang, charge)) >= 0:
        return refusal(session, gang, Reason.QUEUE_OVER_CAPABILITY, over_capability(session, above, charge))
    if fits or session.profile.enqueue.against == "quota":
        return None
    return refusal(session, gang, *_too_large(session, request, room))


def _without_pods(session: Session) -> list[int]:
    """Gangs admitted before of which no pod exists yet: the room that they were admitted for is still theirs."""
    gangs, of_gang = session.facts.gangs, session.facts.tasks.gang
    has_pods = np.zeros(len(session.snapshot.gangs), np.bool_)
    has_pods[of_gang[of_gang >= 0]] = True
    waits = gangs.live & (gangs.written[:, 0] == PHASE_CODES[GangPhase.INQUEUE]) & ~has_pods
    waits &= session.admitted & (gangs.obstacle == 0) & (gangs.queue >= 0)
    return [int(gang) for gang in np.flatnonzero(waits) if session.facts.queues.obstacle[gangs.queue[gang]] == 0]


def _outstanding(session: Session, gang: int) -> tuple[I64, I64, bool]:
    """Request and charge of what the gang still needs to be whole, and whether all pods of that exist."""
    gangs, tasks, classes = session.facts.gangs, session.facts.tasks, session.facts.classes
    quantum = quantum_of(session, gang)
    kinds = tasks.of_class[list(quantum.tasks)]
    request, charge = classes.request[kinds].sum(axis=0), classes.charge[kinds].sum(axis=0)
    if quantum.missing == 0:
        return request, charge, True
    placed = tasks.of_class[[task for task in session.snapshot.gang_tasks[gang] if session.is_placed(task)]]
    request = np.maximum(request, gangs.min_request[gang] - classes.request[placed].sum(axis=0))
    return request, np.maximum(charge, gangs.min_charge[gang] - classes.charge[placed].sum(axis=0)), False


def _over_capability(session: Session, gang: int, charge: I64) -> int:
    """The first queue upwards that may not have so much more; -1 if all may."""
    queues, ledger = session.facts.queues, session.ledger
    queue = int(session.facts.gangs.queue[gang])
    while queue >= 0:
        planned = ledger.queue_planned[queue] + session.expected[queue]
        if ((planned + charge > queues.capability[queue]) & (charge > 0)).any():
            return queue
        queue = int(queues.parent[queue])
    return -1


def _expect(session: Session, gang: int, charge: I64) -> None:
    queue = int(session.facts.gangs.queue[gang])
    while queue >= 0:
        session.expected[queue] += charge
        queue = int(session.facts.queues.parent[queue])


def _too_large(session: Session, request: I64, room: I64) -> tuple[Reason, str]:
    short = (request > room) & (request > 0)
    whole = session.facts.nodes.allocatable[session.facts.nodes.live].sum(axis=0)
    never = (request > whole) & (request > 0)
    if never.any():
        message = f"it can never fit: its minimum needs {amounts(session, np.where(never, request, 0))}, " + (
            f"the whole cluster has {amounts(session, np.where(never, whole, 0))}"
            if np.where(never, whole, 0).any()
            else "and no node has any"
        )
        return Reason.NEVER_FITS, message
    needs, free = amounts(session, np.where(short, request, 0)), _free(session, room, short)
    return Reason.NOT_ENOUGH_RESOURCES, f"its minimum needs {needs}; free, less what goes before it: {free}"


def _free(session: Session, room: I64, short: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    shown = np.where(short, room, 0)
    return amounts(session, shown) if shown.any() else "nothing"
