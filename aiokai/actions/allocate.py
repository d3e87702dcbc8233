"""Give free room to waiting gangs, in order, disturbing nobody.

1. Take the gang that comes next by queue, then within its queue.
2. Place what makes it whole, all or nothing; if it is whole already, one task more.
3. Where free room does not suffice, try with what is being released: then the whole quantum waits for it (pipelined).
4. A gang that grew goes back into the order, so that others have their turn before it grows again.
5. A gang that fits nowhere is passed over, or ends its queue's turn if that is first-in, first-out.
"""

from collections.abc import Sequence

from aiokai.model.reasons import Reason
from aiokai.session.explain import behind, explain_failure, nodes_message, refusal
from aiokai.session.order import GangQueue
from aiokai.session.quantum import quantum_of
from aiokai.session.session import Session


def allocate(session: Session) -> None:
    serve(session, best_effort=False)


def serve(session: Session, *, best_effort: bool) -> None:
    """Serve admitted gangs in order: those whose next quantum asks for nothing, or all the others."""
    queue = GangQueue(session, (gang for gang in session.gangs_with_work() if session.admitted[gang]))
    releasing = bool((session.ledger.node_releasing > 0).any())
    while (gang := queue.pop()) is not None:
        verdict = session.verdicts.get(gang)
        tasks = _next_tasks(session, gang, best_effort=best_effort)
        if not tasks or (verdict is not None and verdict.reason is Reason.NOT_ITS_TURN):
            continue
        if _place(session, gang, tasks, releasing=releasing):
            has_more = len(tasks) < len(session.snapshot.gang_tasks[gang])
            if has_more and gang not in session.waiting and session.pending(gang):
                queue.push(gang)
        elif len(tasks) == 1 and _next_tasks(session, gang, best_effort=best_effort) not in ((), tasks):
            queue.push(gang)
        elif session.is_fifo(gang):
            for later in queue.drop_queue(gang):
                session.verdicts[later] = behind(session, later, gang)


def _next_tasks(session: Session, gang: int, *, best_effort: bool) -> tuple[int, ...]:
    """What is to be placed together, if it is of the kind that is served.

    Of a whole gang the first task that is, and that nobody like it was refused for in this cycle, if there is one.
    """
    quantum = quantum_of(session, gang)
    if quantum.missing:
        return ()
    if quantum.whole:
        pending = session.pending(gang)
        first = next((task for task in pending if session.is_best_effort(task) == best_effort), None)
        if first is None or not _was_refused(session, gang, first):
            return () if first is None else (first,)
        alternatives = (task for task in session.first_of_each_class(pending) if not _was_refused(session, gang, task))
        return (next((task for task in alternatives if session.is_best_effort(task) == best_effort), first),)
    asks_nothing = all(session.is_best_effort(task) for task in quantum.tasks)
    return quantum.tasks if asks_nothing == best_effort else ()


def _was_refused(session: Session, gang: int, task: int) -> bool:
    return _kind(session, gang, (task,)) in session.failures


def _kind(session: Session, gang: int, tasks: Sequence[int]) -> tuple[int, int, int]:
    """What decides, within a cycle, whether tasks that are alike fit: their queue, their class, their number."""
    return int(session.facts.gangs.queue[gang]), int(session.facts.tasks.of_class[tasks[0]]), len(tasks)


def _place(session: Session, gang: int, tasks: Sequence[int], *, releasing: bool) -> bool:
    """Commit the tasks to free room, or to what is being released; else leave a verdict and return False."""
    wanted, alike = len(tasks), session.are_alike(tasks)
    kind = _kind(session, gang, tasks)
    if alike and (failure := session.failures.get(kind)) is not None:
        session.verdicts[gang] = refusal(session, gang, *failure)
        return False
    session.prepare(tasks)
    with session.statement() as statement:
        placed, nodes = statement.place(tasks), ""
        if placed == wanted:
            statement.commit()
            session.verdicts.pop(gang, None)
            return True
        stopped = statement.stopped
        if stopped[0] is Reason.UNSCHEDULABLE:
            nodes = nodes_message(session, tasks[placed])
        statement.rollback(0)
        if stopped[0] is Reason.UNSCHEDULABLE and not alike:
            if statement.place(session.hardest_first(tasks)) == wanted:
                statement.commit()
                session.verdicts.pop(gang, None)
                return True
            statement.rollback(0)
        if releasing and statement.place(tasks, pipeline=True) == wanted:
            statement.commit()
            session.waiting.add(gang)
            message = "there is room for it as soon as what is being released is gone"
            session.verdicts[gang] = refusal(session, gang, Reason.WAITS_FOR_RELEASE, message)
            return True
    failure = explain_failure(session, tasks, placed, stopped, nodes)
    session.verdicts[gang] = refusal(session, gang, *failure)
    if alike and stopped[0] is Reason.UNSCHEDULABLE:
        session.failures[kind] = failure
    return False
