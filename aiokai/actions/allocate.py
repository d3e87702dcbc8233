"""Give free room to waiting gangs, in order, disturbing nobody.

1. Take the gang that comes next by queue, then within its queue.
2. Place what makes it whole, all or nothing; if it is whole already, one task more.
3. Where free room does not suffice, try with what is being released: then the whole quantum waits for it (pipelined).
4. A gang that grew goes back into the order, so that others have their turn before it grows again.
5. A gang that fits nowhere is passed over, or ends its queue's turn if that is first-in, first-out.
"""

from aiokai.model.reasons import Reason
from aiokai.session.explain import explain_failure, refusal
from aiokai.session.order import GangQueue
from aiokai.session.quantum import Quantum, quantum_of
from aiokai.session.session import Session


def allocate(session: Session) -> None:
    serve(session, best_effort=False)


def serve(session: Session, *, best_effort: bool) -> None:
    """Serve admitted gangs in order: those whose next quantum asks for nothing, or all the others."""
    queue = GangQueue(session, (gang for gang in session.gangs_with_work() if session.admitted[gang]))
    releasing = bool((session.ledger.node_releasing > 0).any())
    while (gang := queue.pop()) is not None:
        quantum = quantum_of(session, gang)
        if quantum.missing or not quantum.tasks:
            continue
        if best_effort != all(session.is_best_effort(task) for task in quantum.tasks):
            continue
        if _place(session, gang, quantum, releasing=releasing):
            queue.moved(gang)
            if session.pending(gang) and gang not in session.waiting:
                queue.push(gang)
        elif session.is_fifo(gang):
            for behind in queue.drop_queue(gang):
                name = session.gang(gang).name
                message = f"its queue is first-in, first-out, and {name} before it does not fit"
                session.verdicts[behind] = refusal(session, behind, Reason.NOT_ITS_TURN, message)


def _place(session: Session, gang: int, quantum: Quantum, *, releasing: bool) -> bool:
    """Commit the quantum to free room, or to what is being released; else leave a verdict and return False."""
    session.prepare(quantum.tasks)
    wanted = len(quantum.tasks)
    with session.statement() as statement:
        placed = statement.place(quantum.tasks)
        failure = placed, statement.stopped
        if placed == wanted:
            statement.commit()
            session.verdicts.pop(gang, None)
            return True
        statement.rollback(0)
        if wanted > 1 and failure[1][0] is Reason.UNSCHEDULABLE:
            if statement.place(session.hardest_first(quantum.tasks)) == wanted:
                statement.commit()
                session.verdicts.pop(gang, None)
                return True
            statement.rollback(0)
        if releasing and statement.place(quantum.tasks, pipeline=True) == wanted:
            statement.commit()
            session.waiting.add(gang)
            message = "there is room for it as soon as what is being released is gone"
            session.verdicts[gang] = refusal(session, gang, Reason.WAITS_FOR_RELEASE, message)
            return True
        statement.rollback(0)
    session.verdicts[gang] = explain_failure(session, gang, quantum, *failure)
    return False
