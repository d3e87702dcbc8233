"""One cycle's context: what actions read, and the statements through which they change it.

It opens on a Snapshot and a Ledger, lets the plugins say their part, and collects what was committed. It decides
nothing itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from aiokai.kernels.ledger import Journal
from aiokai.kernels.place import Static, Trees, Weights
from aiokai.model.configuration import Profile
from aiokai.model.reasons import Blame
from aiokai.session.decisions import Failure, Verdict
from aiokai.session.policy import Filter, GangOrder, QueueOrder, Rating, Score
from aiokai.session.statement import Operation, Statement, Table
from aiokai.snapshot.arrays import (
    GPU_COLUMN,
    I32,
    I64,
    PODS,
    Bool,
    ConstraintSet,
    Facts,
    GangFacts,
    Ledger,
    NodeFacts,
    Snapshot,
    TaskFacts,
    TaskState,
)

PLACED = (TaskState.ALLOCATED, TaskState.PIPELINED, TaskState.BOUND, TaskState.RUNNING, TaskState.SUCCEEDED)
"""States that count towards a gang's minimum."""
GangOrderKey = tuple[int | str, ...]
"""Sorts gangs; no two are equal."""
_IS_PLACED = np.isin(np.arange(len(TaskState)), PLACED)
_PENDING = int(TaskState.PENDING)
_TREE_SLOTS = 128
_JOURNAL = 1 << 14


@dataclass
class Memo:
    """Work of earlier cycles that can be done again: without it, equal decisions.

    Attributes:
        nodes: the node facts that the rows were computed from.
        rows: per constraint set, the code of each node's blame (0: none) and its score.
        blames: what the codes mean; code 0 is no blame.
    """

    nodes: tuple[NodeFacts | None, ...] = ()
    rows: dict[ConstraintSet, tuple[I32, I64]] = field(default_factory=dict)
    blames: dict[Blame, int] = field(default_factory=dict)


class Session:
    """See the module.

    Attributes:
        entitled: [Q, R] what each queue is entitled to, by the plugin that orders queues.
        expected: [Q, R] what admitted gangs will be charged once their pods exist; enqueue's own sums.
        admitted: [G] gangs whose pods may exist, those admitted in this cycle included.
        operations: what was committed, in order.
        verdicts: why a gang does not start, by gang row.
        waiting: gangs that were pipelined onto what is being released.
        best_effort: [C] classes that ask for nothing but a place among the pods of a node.
        failures: what a number of tasks of one class and queue was told when it did not fit: in a cycle room only
            shrinks, so that neither will the next gang of that kind.
    """

    def __init__(
        self, snapshot: Snapshot, ledger: Ledger, profile: Profile, plugins: Sequence[object], memo: Memo
    ) -> None:
        self.snapshot, self.ledger, self.profile = snapshot, ledger, profile
        self.facts: Facts = snapshot.facts
        self._filters = [p for p in plugins if isinstance(p, Filter)]
        self._scores = [p for p in plugins if isinstance(p, Score)]
        self._memo = memo
        self._refresh_memo()
        self.queue_orders = [p for p in plugins if isinstance(p, QueueOrder)]
        self._gang_orders = [p for p in plugins if isinstance(p, GangOrder)]
        keys = [order.gang_keys(snapshot, ledger) for order in self._gang_orders]
        self._gang_keys = np.stack(keys, axis=1) if keys else np.zeros((len(snapshot.gangs), 0), np.int64)
        self.entitled: I64 = (
            self.queue_orders[0].entitle(snapshot, ledger)
            if self.queue_orders
            else np.zeros_like(self.facts.queues.capability)
        )
        self.expected = np.zeros_like(self.ledger.queue_planned)
        self.admitted: Bool = self.facts.gangs.admitted.copy()
        self.operations: list[Operation] = []
        self.verdicts: dict[int, Verdict] = {}
        self.waiting: set[int] = set()
        self.failures: dict[tuple[int, int, int], Failure] = {}
        self._known_sets: set[int] = set()
        self.table = _table(snapshot, ledger, self._weights(plugins))
        request = self.facts.classes.request
        pods = request[:, snapshot.resources.index(PODS)]
        self.best_effort: Bool = (np.count_nonzero(request, axis=1) == 1) & (pods > 0)
        self._keys: dict[int, GangOrderKey] = {}
        self._tasks_of: dict[int, I32] = {}
        self._empty: Session | None = None
        self._plugins = plugins

    def _weights(self, plugins: Sequence[object]) -> Weights:
        none = np.zeros(len(self.snapshot.resources), np.int64)
        weights = Weights(none, 0, none, 0, 0, False)
        for plugin in plugins:
            if isinstance(plugin, Rating):
                weights = plugin.weigh(weights, self.snapshot.resources)
        return weights

    def statement(self) -> Statement:
        return Statement(self.table, self.operations)

    # Gangs and their tasks

    def gang(self, row: int) -> GangFacts:
        facts = self.snapshot.gangs[row]
        assert facts is not None
        return facts

    def node(self, row: int) -> NodeFacts:
        facts = self.snapshot.nodes[row]
        assert facts is not None
        return facts

    def task(self, row: int) -> TaskFacts:
        facts = self.snapshot.tasks[row]
        assert facts is not None
        return facts

    def gang_key(self, row: int) -> GangOrderKey:
        """Sorts the gangs of one queue: by the plugins' keys, then the older first, then by name."""
        key = self._keys.get(row)
        if key is None:
            facts, created = self.gang(row), int(self.facts.gangs.created_s[row])
            keys = self._gang_keys[row].tolist()
            key = self._keys[row] = (*keys, created, facts.namespace, facts.name, facts.dialect, facts.lone)
        return key

    def grew(self, gang: int) -> None:
        """Something of the gang was placed: its plugins' keys may be others now."""
        self._gang_keys[gang] = [order.gang_key(self.snapshot, self.ledger, gang) for order in self._gang_orders]
        self._keys.pop(gang, None)

    def tasks_of(self, gang: int) -> I32:
        """The gang's tasks: higher priority first, then as people count names."""
        rows = self._tasks_of.get(gang)
        if rows is None:
            in_order = sorted(self.snapshot.gang_tasks[gang], key=lambda row: self.task(row).order)
            rows = self._tasks_of[gang] = np.array(in_order, np.int32)
        return rows

    def pending(self, gang: int) -> list[int]:
        """Those of them that could be placed."""
        rows = self.tasks_of(gang)
        waits = (self.ledger.task_state[rows] == _PENDING) & (self.facts.tasks.obstacle[rows] == 0)
        pending: list[int] = rows[waits].tolist()
        return pending

    def count_placed(self, gang: int) -> int:
        """How many of them count towards its minimum."""
        return int(np.count_nonzero(_IS_PLACED[self.ledger.task_state[self.tasks_of(gang)]]))

    def is_placed(self, task: int) -> bool:
        """True if it counts towards its gang's minimum."""
        return bool(_IS_PLACED[self.ledger.task_state[task]])

    def is_best_effort(self, task: int) -> bool:
        """True if it asks for nothing but its place among the pods of a node."""
        return bool(self.best_effort[self.facts.tasks.of_class[task]])

    def are_alike(self, tasks: Sequence[int]) -> bool:
        """True if no filter, no node and no queue could tell one from another."""
        return len(set(self.facts.tasks.of_class[list(tasks)].tolist())) <= 1

    def first_of_each_class(self, tasks: Sequence[int]) -> list[int]:
        """Of tasks that are alike only the first; in their order."""
        _, places = np.unique(self.facts.tasks.of_class[list(tasks)], return_index=True)
        return [tasks[place] for place in sorted(places.tolist())]

    def is_fifo(self, gang: int) -> bool:
        """True if a gang that does not fit ends the turn of its queue."""
        queue = self.snapshot.queues[self.facts.gangs.queue[gang]]
        return queue is not None and queue.spec.dequeue_strategy == "fifo"

    def hardest_first(self, tasks: Sequence[int]) -> list[int]:
        """The tasks with fewest nodes to choose from first, then the largest: a second try, where order matters."""
        classes, live = self.facts.classes, self.facts.nodes.live

        def ease(task: int) -> tuple[int, ...]:
            kind = self.facts.tasks.of_class[task]
            request = classes.request[kind]
            fits = (request <= self.ledger.node_idle) | (request == 0)
            nodes = fits.all(axis=1) & live & self.table.static.feasible[classes.constraint_set[kind]]
            return (int(nodes.sum()), -int(request[GPU_COLUMN]), -int(request[0]), -int(request[1]))

        ease_of = {int(self.facts.tasks.of_class[task]): ease(task) for task in tasks}
        return sorted(tasks, key=lambda task: ease_of[int(self.facts.tasks.of_class[task])])

    def next_charge(self, gang: int) -> I64:
        """[R] about what the gang's queue will be charged next: its minimum, or its first waiting task."""
        charge: I64 = self.facts.gangs.min_charge[gang]
        if not charge.any() and (pending := self.pending(gang)):
            charge = self.facts.classes.charge[self.facts.tasks.of_class[pending[0]]]
        return charge

    def gangs_with_work(self) -> list[int]:
        """Gangs that have a task to place, or are not admitted yet; none with an obstacle."""
        waiting = (self.ledger.task_state == TaskState.PENDING) & (self.facts.tasks.obstacle == 0)
        waiting &= self.facts.tasks.gang >= 0
        wants = np.zeros(len(self.snapshot.gangs), np.bool_)
        wants[self.facts.tasks.gang[waiting]] = True
        gangs = self.facts.gangs
        wants |= gangs.live & ~self.admitted
        wants &= (gangs.obstacle == 0) & (gangs.queue >= 0)
        wants[wants] = self.facts.queues.obstacle[gangs.queue[wants]] == 0
        rows: list[int] = np.flatnonzero(wants).tolist()
        return rows

    # What filters and scores say

    def prepare(self, tasks: Iterable[int]) -> None:
        """Ask filters and scores for the constraint sets of these tasks, where they have not been asked yet."""
        classes = self.facts.classes
        for kind in set(self.facts.tasks.of_class[list(tasks)].tolist()):
            row = int(classes.constraint_set[kind])
            if row in self._known_sets:
                continue
            self._known_sets.add(row)
            constraints = self.snapshot.constraint_sets[row]
            assert constraints is not None
            codes, scores = self._row(constraints)
            np.equal(codes, 0, out=self.table.static.feasible[row])
            np.copyto(self.table.static.score[row], scores)

    def ruled_out(self, constraints: ConstraintSet) -> tuple[Bool, dict[Blame, int]]:
        """[N] the live nodes that a constraint set leaves, and how many others it rules out for which reason."""
        codes, live = self._row(constraints)[0], self.facts.nodes.live
        counts = np.bincount(codes[live], minlength=len(self._memo.blames) + 1).tolist()
        return live & (codes == 0), {blame: counts[code] for blame, code in self._memo.blames.items() if counts[code]}

    def _row(self, constraints: ConstraintSet) -> tuple[I32, I64]:
        known = self._memo.rows.get(constraints)
        if known is None:
            size = len(self.snapshot.nodes)
            known = self._memo.rows[constraints] = (np.zeros(size, np.int32), np.zeros(size, np.int64))
            self._ask(constraints, known, range(size))
        return known

    def _ask(self, constraints: ConstraintSet, row: tuple[I32, I64], nodes: Iterable[int]) -> None:
        codes, scores = row
        for n in nodes:
            node = self.snapshot.nodes[n]
            if node is None:
                continue
            codes[n], scores[n] = (
                self._code_of(constraints, node),
                sum([s.score(constraints, node) for s in self._scores]),
            )

    def _code_of(self, constraints: ConstraintSet, node: NodeFacts) -> int:
        for one in self._filters:
            blame = one.blame(constraints, node)
            if blame is not None:
                return self._memo.blames.setdefault(blame, len(self._memo.blames) + 1)
        return 0

    def _refresh_memo(self) -> None:
        """Ask again about nodes that changed, and forget constraint sets that nobody has any more."""
        memo, nodes, old = self._memo, self.snapshot.nodes, self._memo.nodes
        in_use, grown = set(self.snapshot.constraint_sets), len(nodes) - len(old)
        memo.rows = {c: row for c, row in memo.rows.items() if c in in_use and grown >= 0}
        changed = [n for n, node in enumerate(nodes) if n >= len(old) or node is not old[n]]
        if changed:
            for constraints, (codes, scores) in memo.rows.items():
                memo.rows[constraints] = row = (np.pad(codes, (0, grown)), np.pad(scores, (0, grown)))
                self._ask(constraints, row, changed)
        memo.nodes = nodes

    def on_an_empty_cluster(self) -> "Session":
        """The same cluster with nothing on it, to tell who can never fit."""
        if self._empty is None:
            ledger = self.ledger
            empty = Ledger(
                node_idle=self.facts.nodes.allocatable.copy(),
                node_releasing=np.zeros_like(ledger.node_releasing),
                device_free=self.facts.devices.total.copy(),
                device_releasing=np.zeros_like(ledger.device_releasing),
                queue_planned=np.full_like(ledger.queue_planned, -(2**62)),
                queue_held=np.full_like(ledger.queue_held, -(2**62)),
                task_state=np.zeros_like(ledger.task_state),
                task_node=np.full_like(ledger.task_node, -1),
                task_devices=np.full_like(ledger.task_devices, -1),
            )
            static = [p for p in self._plugins if isinstance(p, Filter | Score | Rating)]
            self._empty = Session(self.snapshot, empty, self.profile, static, self._memo)
        return self._empty


def _table(snapshot: Snapshot, ledger: Ledger, weights: Weights) -> Table:
    """Room for ratings, log and journal, sized for this snapshot."""
    facts, nodes = snapshot.facts, len(snapshot.nodes)
    classes, sets = len(facts.classes.constraint_set), len(snapshot.constraint_sets)
    leaves = 1 << max(nodes - 1, 1).bit_length()
    slots = max(min(classes, _TREE_SLOTS), 1)
    trees = Trees(
        rating=np.empty((slots, 2 * leaves), np.int64),
        slot=np.full(classes, -1, np.int32),
        owner=np.full(slots, -1, np.int32),
        seen=np.full(slots, -1, np.int64),
        turn=np.zeros(1, np.int64),
        scratch=np.full(facts.classes.ask_container.shape[1], -1, np.int32),
    )
    journal = Journal(
        log=np.empty((2 * len(snapshot.tasks) + 8, 3), np.int32),
        touched=np.zeros(_JOURNAL, np.int32),
        last=np.zeros(nodes, np.int64),
        length=np.zeros(2, np.int64),
    )
    static = Static(np.zeros((sets, nodes), np.bool_), np.zeros((sets, nodes), np.int64))
    return Table(facts, ledger, journal, weights, static, trees, np.zeros(2, np.int32))
