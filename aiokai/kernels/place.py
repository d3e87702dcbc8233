"""Choose nodes for tasks: the hottest loop of the house.

A class of tasks rates every node once; afterwards only nodes that changed are rated again. The ratings stand in a
tournament tree per class (a max-heap laid out as a complete binary tree), so the best node is always at its top and a
change costs log2(N). Filling 5,000 nodes with one class thus rates 5,000 nodes plus one for each task.
"""

from typing import NamedTuple

from aiokai.kernels.fit import choose_devices, fits
from aiokai.kernels.jit import kernel
from aiokai.kernels.ledger import Journal, over_capability, put
from aiokai.model.reasons import Reason
from aiokai.snapshot.arrays import I32, I64, SLOTS, Bool, Facts, Ledger

NOWHERE = -1
UNFIT = -(1 << 62)
"""The rating of a node that a class does not fit; a node that is only unwelcome has one that is merely negative."""


class Weights(NamedTuple):
    """How nodes are rated, all in per mille times weight."""

    pack: I64  # [R] weight of each resource asked for, when full nodes are better
    pack_scale: int
    spread: I64  # [R] the same when empty nodes are better
    spread_scale: int
    device_scale: int  # how much a fuller card is better
    device_spread: bool  # cards that fewer share come first


class Static(NamedTuple):
    """What filters and scores say of nodes whatever is placed."""

    feasible: Bool  # [K, N]
    score: I64  # [K, N]


class Trees(NamedTuple):
    """Ratings per class for a few classes at a time; a slot is given to another class when all are used."""

    rating: I64  # [S, 2 * leaves] node n's rating stands at leaves + n; the best of both children above them
    slot: I32  # [C] the slot of a class, -1 without one
    owner: I32  # [S] the class of a slot, -1 while it is free
    seen: I64  # [S] how much of the journal the ratings know
    turn: I64  # [1] the slot to be given away next
    scratch: I32  # [A] devices of the node that is being rated


@kernel
def rate(
    facts: Facts, ledger: Ledger, weights: Weights, static: Static, kind: int, node: int, pipeline: bool, chosen: I32
) -> int:
    """The node's rating for a class, ties by rank included; UNFIT if it is so. `chosen` [A] gets the devices."""
    constraint_set = facts.classes.constraint_set[kind]
    request, idle = facts.classes.request[kind], ledger.node_idle[node]
    if not (facts.nodes.live[node] and static.feasible[constraint_set, node]):
        return UNFIT
    if not fits(request, idle, ledger.node_releasing[node], pipeline):
        return UNFIT
    score = static.score[constraint_set, node]
    asks = facts.classes.asks[kind]
    if asks[0, SLOTS] > 0:
        fullness = choose_devices(
            asks, facts.classes.ask_container[kind], facts.devices.total[node], ledger.device_free[node],
            ledger.device_releasing[node], pipeline, weights.device_spread, chosen,
        )  # fmt: skip
        if fullness < 0:
            return UNFIT
        score += weights.device_scale * fullness
    allocatable = facts.nodes.allocatable[node]
    score += weights.pack_scale * fullness_of(weights.pack, allocatable, idle, request)
    score += weights.spread_scale * (1000 - fullness_of(weights.spread, allocatable, idle, request))
    return (score << 32) + (1 << 31) - facts.nodes.rank[node]


@kernel
def fullness_of(weight: I64, allocatable: I64, idle: I64, request: I64) -> int:
    """How full a node will be in what is asked for and weighed, in per mille. Source: reference/volcano.md §3.4."""
    full, total = 0, 0
    for r in range(request.shape[0]):
        if weight[r] > 0 and request[r] > 0 and allocatable[r] > 0:
            full += weight[r] * (1000 * (allocatable[r] - idle[r] + request[r]) // allocatable[r])
            total += weight[r]
    return full // total if total > 0 else 0


@kernel
def refresh(
    facts: Facts, ledger: Ledger, journal: Journal, weights: Weights, static: Static, trees: Trees, kind: int
) -> int:
    """Bring a class's ratings up to date; returns their slot."""
    slot, leaves, nodes = trees.slot[kind], trees.rating.shape[1] // 2, facts.nodes.live.shape[0]
    written = journal.length[1]
    if slot < 0:
        slot = trees.turn[0]
        trees.turn[0] = (slot + 1) % trees.owner.shape[0]
        if trees.owner[slot] >= 0:
            trees.slot[trees.owner[slot]] = -1
        trees.owner[slot], trees.slot[kind], trees.seen[slot] = kind, slot, -1
    rating, seen = trees.rating[slot], trees.seen[slot]
    if seen < 0 or written - seen > journal.touched.shape[0]:
        for node in range(nodes):
            rating[leaves + node] = rate(facts, ledger, weights, static, kind, node, False, trees.scratch)
        rating[leaves + nodes :] = UNFIT
        for parent in range(leaves - 1, 0, -1):
            rating[parent] = max(rating[2 * parent], rating[2 * parent + 1])
    else:
        for entry in range(seen, written):
            node = journal.touched[entry % journal.touched.shape[0]]
            if journal.last[node] != entry:
                continue
            at = leaves + node
            value = rate(facts, ledger, weights, static, kind, node, False, trees.scratch)
            while rating[at] != value:
                rating[at] = value
                at //= 2
                if at == 0:
                    break
                value = max(rating[2 * at], rating[2 * at + 1])
    trees.seen[slot] = written
    return slot


@kernel
def best_idle_node(
    facts: Facts, ledger: Ledger, journal: Journal, weights: Weights, static: Static, trees: Trees, kind: int
) -> int:
    """The best node that has room now, by the ratings kept; -1 if none has."""
    slot, leaves = refresh(facts, ledger, journal, weights, static, trees, kind), trees.rating.shape[1] // 2
    rating = trees.rating[slot]
    if rating[1] == UNFIT:
        return NOWHERE
    at = 1
    while at < leaves:
        at = 2 * at if rating[2 * at] == rating[at] else 2 * at + 1
    return at - leaves


@kernel
def best_node(
    facts: Facts, ledger: Ledger, weights: Weights, static: Static, kind: int, pipeline: bool, scratch: I32
) -> int:
    """The same by looking at every node; for waiting on what is being released, which is rare."""
    best, best_rating = NOWHERE, UNFIT
    for node in range(facts.nodes.live.shape[0]):
        rating = rate(facts, ledger, weights, static, kind, node, pipeline, scratch)
        if rating > best_rating:
            best, best_rating = node, rating
    return best


@kernel
def place(
    facts: Facts,
    ledger: Ledger,
    journal: Journal,
    weights: Weights,
    static: Static,
    trees: Trees,
    tasks: I32,
    pipeline: bool,
    stopped: I32,
) -> int:
    """Place `tasks` in their order, each on its best node, until one fits nowhere or its queue may have no more.

    `stopped` [2] then gets the Reason and the queue row. All or nothing is the caller's affair: it rolls back.

    Returns: how many were placed.
    """
    for i in range(tasks.shape[0]):
        task = tasks[i]
        kind = facts.tasks.of_class[task]
        queue = over_capability(facts, ledger, task, -1, pipeline)
        if queue >= 0 and facts.classes.asks[kind, 0, SLOTS] == 0:
            stopped[0], stopped[1] = Reason.QUEUE_OVER_CAPABILITY, queue
            return i
        if pipeline:
            node = best_node(facts, ledger, weights, static, kind, True, trees.scratch)
        else:
            node = best_idle_node(facts, ledger, journal, weights, static, trees, kind)
        if node < 0:
            stopped[0], stopped[1] = Reason.UNSCHEDULABLE, -1
            return i
        if facts.classes.asks[kind, 0, SLOTS] > 0:
            rate(facts, ledger, weights, static, kind, node, pipeline, ledger.task_devices[task])
            queue = over_capability(facts, ledger, task, node, pipeline)
            if queue >= 0:
                ledger.task_devices[task, :] = -1
                stopped[0], stopped[1] = Reason.QUEUE_OVER_CAPABILITY, queue
                return i
        put(facts, ledger, journal, task, node, pipeline)
    return tasks.shape[0]


@kernel
def lacks_devices(facts: Facts, ledger: Ledger, kind: int, out: Bool, scratch: I32) -> None:
    """`out` [N] is set where a class finds no card, whatever else the node has."""
    asks = facts.classes.asks[kind]
    for node in range(out.shape[0]):
        out[node] = asks[0, SLOTS] > 0 and choose_devices(
            asks, facts.classes.ask_container[kind], facts.devices.total[node], ledger.device_free[node],
            ledger.device_releasing[node], False, False, scratch,
        ) < 0  # fmt: skip
