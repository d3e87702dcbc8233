"""The only code that writes a Ledger: place a task, take a running one away, and undo both from a log.

Every entry of the log is [what, task]; the ledger itself says where the task is, so undoing needs no more. Each change
names its node in the journal, from which the scores of `kernels/place.py` learn what they must look at again.
"""

from typing import NamedTuple

from aiokai.kernels.fit import memory_on
from aiokai.kernels.jit import kernel
from aiokai.snapshot.arrays import CORES, DEVICE_MEMORY, GPU_COLUMN, I32, I64, SLOTS, Facts, Ledger, TaskState

ALLOCATE, PIPELINE, EVICT = 1, 2, 3


class Journal(NamedTuple):
    log: I32  # [L, 3] what was done in the open statement: what, task, state before
    touched: I32  # [J] a ring of node rows
    last: I64  # [N] the place in `touched` where each node was written last
    length: I64  # [2] entries in `log`; nodes ever written to `touched`


@kernel
def touch(journal: Journal, node: int) -> None:
    journal.touched[journal.length[1] % journal.touched.shape[0]] = node
    journal.last[node] = journal.length[1]
    journal.length[1] += 1


@kernel
def write_log(journal: Journal, what: int, task: int, before: int) -> None:
    entry = journal.length[0]
    journal.log[entry, 0], journal.log[entry, 1], journal.log[entry, 2] = what, task, before
    journal.length[0] += 1


@kernel
def add_to_node(facts: Facts, ledger: Ledger, task: int, node: int, sign: int, idle: bool) -> None:
    """Add (or with sign -1 take) what the task asks for to the node's idle, or to its releasing."""
    kind = facts.tasks.of_class[task]
    request, asks = facts.classes.request[kind], facts.classes.asks[kind]
    amounts = ledger.node_idle[node] if idle else ledger.node_releasing[node]
    devices = ledger.device_free[node] if idle else ledger.device_releasing[node]
    for r in range(request.shape[0]):
        amounts[r] += sign * request[r]
    for a in range(asks.shape[0]):
        place = ledger.task_devices[task, a]
        if asks[a, SLOTS] == 0 or place < 0:
            continue
        card = facts.devices.total[node, place, DEVICE_MEMORY]
        devices[place, SLOTS] += sign
        devices[place, DEVICE_MEMORY] += sign * memory_on(asks[a, DEVICE_MEMORY], card)
        devices[place, CORES] += sign * asks[a, CORES]


@kernel
def charge_of_column(facts: Facts, ledger: Ledger, task: int, node: int, r: int) -> int:
    """What the task's queue pays of resource `r`: cards that are known are charged as they are, not by the smallest."""
    kind = facts.tasks.of_class[task]
    charge = facts.classes.charge[kind, r]
    if r != GPU_COLUMN or node < 0:
        return charge
    asks, smallest = facts.classes.asks[kind], facts.devices.smallest_memory
    for a in range(asks.shape[0]):
        place = ledger.task_devices[task, a]
        if asks[a, SLOTS] == 0 or place < 0:
            continue
        card = facts.devices.total[node, place, DEVICE_MEMORY]
        charge += device_share(asks[a], card) - device_share(asks[a], smallest)
    return charge


@kernel
def device_share(ask: I64, card: int) -> int:
    """Milli-GPUs: the larger of the memory's and the cores' share of a card."""
    if card == 0:
        return 1000
    memory = -ask[DEVICE_MEMORY] * 10 if ask[DEVICE_MEMORY] < 0 else -(-1000 * ask[DEVICE_MEMORY] // card)
    return max(memory, ask[CORES] * 10)


@kernel
def add_to_queues(facts: Facts, ledger: Ledger, task: int, node: int, sign: int, planned: bool, held: bool) -> None:
    """Charge the task's queue and all above it."""
    queue = facts.gangs.queue[facts.tasks.gang[task]]
    for r in range(ledger.queue_held.shape[1]):
        charge = sign * charge_of_column(facts, ledger, task, node, r)
        above = queue
        while above >= 0 and charge != 0:
            if planned:
                ledger.queue_planned[above, r] += charge
            if held:
                ledger.queue_held[above, r] += charge
            above = facts.queues.parent[above]


@kernel
def over_capability(facts: Facts, ledger: Ledger, task: int, node: int, pipeline: bool) -> int:
    """The first queue, from the task's own upwards, that would exceed its capability; -1 if none would.

    Planned use is looked at always, what sits on nodes only for a task that would sit there at once.
    """
    queue = facts.gangs.queue[facts.tasks.gang[task]]
    while queue >= 0:
        for r in range(ledger.queue_held.shape[1]):
            charge = charge_of_column(facts, ledger, task, node, r)
            if charge <= 0:
                continue
            used = ledger.queue_planned[queue, r]
            if not pipeline:
                used = max(used, ledger.queue_held[queue, r])
            if used + charge > facts.queues.capability[queue, r]:
                return queue
        queue = facts.queues.parent[queue]
    return -1


@kernel
def put(facts: Facts, ledger: Ledger, journal: Journal, task: int, node: int, pipeline: bool) -> None:
    """Place a pending task whose devices are already in `task_devices`."""
    write_log(journal, PIPELINE if pipeline else ALLOCATE, task, ledger.task_state[task])
    add_to_node(facts, ledger, task, node, -1, not pipeline)
    add_to_queues(facts, ledger, task, node, 1, True, not pipeline)
    ledger.task_node[task] = node
    ledger.task_state[task] = TaskState.PIPELINED if pipeline else TaskState.ALLOCATED
    touch(journal, node)


@kernel
def evict(facts: Facts, ledger: Ledger, journal: Journal, tasks: I32) -> None:
    """Let tasks that sit on nodes go: their room is being released, their queue no longer plans with it."""
    for task in tasks:
        node = ledger.task_node[task]
        write_log(journal, EVICT, task, ledger.task_state[task])
        add_to_node(facts, ledger, task, node, 1, False)
        add_to_queues(facts, ledger, task, node, -1, True, False)
        ledger.task_state[task] = TaskState.RELEASING
        touch(journal, node)


@kernel
def rollback(facts: Facts, ledger: Ledger, journal: Journal, to: int) -> None:
    """Undo what was done since the log had `to` entries, the last first."""
    while journal.length[0] > to:
        journal.length[0] -= 1
        what, task, before = journal.log[journal.length[0]]
        node = ledger.task_node[task]
        ledger.task_state[task] = before
        touch(journal, node)
        if what == EVICT:
            add_to_node(facts, ledger, task, node, -1, False)
            add_to_queues(facts, ledger, task, node, 1, True, False)
            continue
        add_to_node(facts, ledger, task, node, 1, what == ALLOCATE)
        add_to_queues(facts, ledger, task, node, -1, True, what == ALLOCATE)
        ledger.task_node[task] = -1
        ledger.task_devices[task, :] = -1


@kernel
def close_log(journal: Journal) -> None:
    """What was done stands and can no longer be undone."""
    journal.length[0] = 0
