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
from aiokai.session.decisions import Verdict
from aiokai.session.quantum import Quantum
from aiokai.session.session import Session
from aiokai.snapshot.arrays import CORES, DEVICE_MEMORY, FIRST_RESOURCES, I64, PODS, SLOTS, TaskState


def refusal(session: Session, gang: int, reason: Reason, message: str, pod_message: str = "") -> Verdict:
    """A verdict on all tasks of the gang that wait."""
    waiting = [
        session.task(task)
        for task in session.tasks_of(gang)
        if session.ledger.task_state[task] == TaskState.PENDING
        and session.facts.tasks.obstacle[task] != Reason.SCHEDULING_GATED
    ]
    pods = tuple((task.uid, task.namespace, task.name) for task in waiting)
    return Verdict(reason, message, pod_message or message, pods)


def explain_failure(session: Session, gang: int, quantum: Quantum, placed: int, stopped: tuple[Reason, int]) -> Verdict:
    """The verdict on a gang whose quantum could not be placed: after `placed` tasks it stopped for a reason."""
    reason, queue = stopped
    failed = quantum.tasks[placed]
    if reason is Reason.QUEUE_OVER_CAPABILITY:
        return refusal(session, gang, reason, over_capability(session, queue, _charges(session, quantum.tasks)))
    nodes = nodes_message(session, failed)
    asked = session.facts.classes.asks[session.facts.tasks.of_class[failed], 0, SLOTS] > 0
    if asked and session.facts.devices.smallest_memory == 0:
        return refusal(session, gang, Reason.NO_SHARED_DEVICES, f"no node registers GPUs to be shared; {nodes}", nodes)
    room = _room_when_empty(session, quantum.tasks)
    wants = len(quantum.tasks)
    if room < wants:
        hopeless = "it can never fit, even with nothing else running"
        if wants > 1:
            hopeless = f"it can never fit: {wants} tasks must start together, and an empty cluster has room for {room}"
        asks = f"; {session.task(failed).name} asks for {amounts(session, _request(session, failed))}"
        return refusal(session, gang, Reason.NEVER_FITS, f"{hopeless}{asks}. {nodes}", nodes)
    if wants > 1:
        return refusal(
            session, gang, Reason.UNSCHEDULABLE, f"{placed} of {wants} tasks fit now, all or none start. {nodes}", nodes
        )
    return refusal(session, gang, Reason.UNSCHEDULABLE, nodes, nodes)


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
    blames = session.blames_of(constraints)
    live = facts.nodes.live
    counts: Counter[str] = Counter()
    open_nodes = np.zeros(len(live), np.bool_)
    for n in np.flatnonzero(live).tolist():
        blame = blames[n]
        if blame is None:
            open_nodes[n] = True
        else:
            counts[str(blame)] += 1
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


def _request(session: Session, task: int) -> I64:
    request: I64 = session.facts.classes.request[session.facts.tasks.of_class[task]]
    return request


def _charges(session: Session, tasks: Sequence[int]) -> I64:
    charge: I64 = session.facts.classes.charge[session.facts.tasks.of_class[list(tasks)]].sum(axis=0)
    return charge


def _room_when_empty(session: Session, tasks: Sequence[int]) -> int:
    """How many of the tasks, in order, the empty cluster takes."""
    empty = session.on_an_empty_cluster()
    empty.prepare(tasks)
    with empty.statement() as statement:
        return statement.place(tasks)
