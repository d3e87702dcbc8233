"""Why a gang does not start, in words: for its condition, its pods and its Event.

What is said of nodes is worded as kube-scheduler does: `0/4 nodes are available: 3 Insufficient nvidia.com/gpu, …`.
"""

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter

import numpy as np

from aiokai.kernels.place import lacks_devices
from aiokai.model.quantity import UNLIMITED, base_to_quantity
from aiokai.model.reasons import Blame, Reason
from aiokai.session.decisions import Failure, Verdict
from aiokai.session.session import Session
from aiokai.snapshot.arrays import CORES, DEVICE_MEMORY, FIRST_RESOURCES, I64, PODS, SLOTS, TaskState


def refusal(session: Session, gang: int, reason: Reason, message: str, pod_message: str = "") -> Verdict:
    """A verdict on all tasks of the gang that wait."""
    rows = session.tasks_of(gang)
    waits = session.ledger.task_state[rows] == int(TaskState.PENDING)
    waits &= session.facts.tasks.obstacle[rows] != int(Reason.SCHEDULING_GATED)
    waiting = [session.task(task) for task in rows[waits].tolist()]
    pods = tuple((task.uid, task.namespace, task.name) for task in waiting)
    return Verdict(reason, message, pod_message or message, pods)


def behind(session: Session, gang: int, first: int) -> Verdict:
    """A verdict on a gang that waits because `first`, before it in a first-in, first-out queue, does."""
    message = f"its queue is first-in, first-out, and {session.gang(first).name} before it does not fit"
    return refusal(session, gang, Reason.NOT_ITS_TURN, message)


def explain_failure(
    session: Session, tasks: Sequence[int], placed: int, stopped: tuple[Reason, int], nodes: str
) -> Failure:
    """Why tasks could not be placed together: after `placed` of them it stopped for a reason.

    `nodes` is what was to be said of nodes then (`nodes_message`), with those tasks in their places.
    """
    reason, queue = stopped
    if reason is Reason.QUEUE_OVER_CAPABILITY:
        message = over_capability(session, queue, _charges(session, tasks))
        return Failure(reason, message, message)
    failed, wants = tasks[placed], len(tasks)
    asks_card = session.facts.classes.asks[session.facts.tasks.of_class[failed], 0, SLOTS] > 0
    if asks_card and session.facts.devices.smallest_memory == 0:
        return Failure(Reason.NO_SHARED_DEVICES, f"no node registers GPUs to be shared; {nodes}", nodes)
    room = _room_when_empty(session, tasks)
    if room < wants:
        asked = amounts(session, session.facts.classes.request[session.facts.tasks.of_class[failed]])
        if wants == 1:
            message = f"it can never fit, even with nothing else running; it asks for {asked}. {nodes}"
        else:
            who = "each" if session.are_alike(tasks) else session.task(failed).name
            message = f"it can never fit: {wants} tasks must start together, and an empty cluster has room for {room}"
            message = f"{message}; {who} asks for {asked}. {nodes}"
        return Failure(Reason.NEVER_FITS, message, nodes)
    if wants > 1:
        return Failure(Reason.UNSCHEDULABLE, f"{placed} of {wants} tasks fit now, all or none start. {nodes}", nodes)
    return Failure(Reason.UNSCHEDULABLE, nodes, nodes)


def over_capability(session: Session, queue: int, wanted: I64) -> str:
    """`queue research may use nvidia.com/gpu: 20; 16 are in use and 8 more are wanted`."""
    capability = session.facts.queues.capability[queue]
    used = np.maximum(session.ledger.queue_planned[queue], session.ledger.queue_held[queue]) + session.expected[queue]
    told = session.snapshot.queues[queue]
    name = told.metadata.name if told is not None else ""
    parts = []
    for r, resource in in_order(session.snapshot.resources):
        if wanted[r] > 0 and used[r] + wanted[r] > capability[r]:
            most, now, more = (base_to_quantity(resource, int(x)) for x in (capability[r], used[r], wanted[r]))
            parts.append(f"{resource}: {most} ({now} in use, {more} more wanted)")
    return f"queue {name} may use no more than {', '.join(parts)}"


def nodes_message(session: Session, task: int) -> str:
    """What kube-scheduler would say of this pod: how many nodes fail it, for which reasons."""
    snapshot, ledger, facts = session.snapshot, session.ledger, session.facts
    kind = int(facts.tasks.of_class[task])
    constraints = snapshot.constraint_sets[facts.classes.constraint_set[kind]]
    assert constraints is not None
    live = facts.nodes.live
    open_nodes, ruled_out = session.ruled_out(constraints)
    counts = Counter({str(blame): count for blame, count in ruled_out.items()})
    request = facts.classes.request[kind]
    free = np.minimum(ledger.node_idle, ledger.node_idle + ledger.node_releasing)
    short = (request > free) & (request > 0) & open_nodes[:, None]
    for r in np.flatnonzero(short.any(axis=0)).tolist():
        resource = snapshot.resources[r]
        text = "Too many pods" if resource == PODS else str(Blame(Reason.INSUFFICIENT_RESOURCES, resource))
        counts[text] += int(short[:, r].sum())
    lacks = np.zeros(len(live), np.bool_)
    lacks_devices(facts, ledger, kind, lacks, session.table.trees.scratch)
    without = int((lacks & open_nodes & ~short.any(axis=1)).sum())
    if without:
        ask = facts.classes.asks[kind, 0]
        memory = f"{-ask[DEVICE_MEMORY]}% memory" if ask[DEVICE_MEMORY] < 0 else f"memory {ask[DEVICE_MEMORY]}"
        counts[str(Blame(Reason.INSUFFICIENT_DEVICES, f"{memory} and cores {ask[CORES]}"))] += without
    total = int(live.sum())
    if not total:
        return "no nodes available to schedule pods"
    reasons = ", ".join(sorted(f"{count} {text}" for text, count in counts.items()))
    return f"0/{total} nodes are available: {reasons}." if reasons else f"0/{total} nodes are available."


def in_order(resources: Sequence[str]) -> list[tuple[int, str]]:
    """Columns and their names as they are told: the usual ones first, then by name, whoever was seen first."""
    usual = len(FIRST_RESOURCES)
    return [*enumerate(resources[:usual]), *sorted(enumerate(resources[usual:], usual), key=itemgetter(1))]


def amounts(session: Session, row: I64) -> str:
    """`cpu: 4, nvidia.com/gpu: 8`, of what is not zero."""
    return (
        ", ".join(
            f"{name}: {base_to_quantity(name, int(row[r]))}"
            for r, name in in_order(session.snapshot.resources)
            if row[r] and name != PODS and row[r] < UNLIMITED
        )
        or "a place"
    )


def _charges(session: Session, tasks: Sequence[int]) -> I64:
    charge: I64 = session.facts.classes.charge[session.facts.tasks.of_class[list(tasks)]].sum(axis=0)
    return charge


def _room_when_empty(session: Session, tasks: Sequence[int]) -> int:
    """How many of the tasks the empty cluster takes, in their order or with the hardest first."""
    empty = session.on_an_empty_cluster()
    empty.prepare(tasks)
    with empty.statement() as statement:
        room = statement.place(tasks)
        if room < len(tasks) and not session.are_alike(tasks):
            statement.rollback(0)
            room = max(room, statement.place(empty.hardest_first(tasks)))
        return room
