"""The cluster's state, kept current from events, so that a snapshot costs a copy plus what changed.

Events come in, a `Snapshot` and a `Ledger` go out. Only one thread may call it: the edge's main loop. An assumed bind
counts as bound until the watch shows the pod, or it is forgotten; nothing here survives a restart, since everything can
be read from the objects again. `snapshot/build.py` builds the same from scratch and is the test's twin.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

import numpy as np

from aiokai.devices import vgpu
from aiokai.model import kube
from aiokai.model.base import Identity
from aiokai.model.configuration import Configuration
from aiokai.model.pod_group import GangKey, PodGroup
from aiokai.model.queue import Queue
from aiokai.snapshot import derive
from aiokai.snapshot.arrays import (
    FIRST_RESOURCES,
    GPU_COLUMN,
    I64,
    Classes,
    ConstraintSet,
    Devices,
    Facts,
    GangFacts,
    Gangs,
    Ledger,
    NodeFacts,
    Nodes,
    Queues,
    Snapshot,
    Subgroups,
    TaskFacts,
    Tasks,
    TaskState,
    read_only,
)
from aiokai.snapshot.reading import NodeReading, PodReading, as_bound, queue_of, read_node, read_pod
from aiokai.snapshot.table import Column, Table

ClassKey = tuple[tuple[tuple[str, int], ...], ConstraintSet, tuple[vgpu.Ask, ...]]
ROOT = ""
"""The name under which a gang's top subgroup is kept."""


class Placement(Protocol):
    """A decided bind, as far as the cache needs it."""

    @property
    def uid(self) -> str: ...
    @property
    def node(self) -> str: ...
    @property
    def annotations(self) -> Mapping[str, str]: ...


class GangPlacement(Protocol):
    """A gang's decided binds."""

    @property
    def gang(self) -> GangKey: ...
    @property
    def binds(self) -> Sequence[Placement]: ...


@dataclass(slots=True)
class _Entry:
    """One pod as it was counted, so that exactly this can be taken back."""

    reading: PodReading
    of_class: int
    task: int = -1  # -1 for a pod of another scheduler
    gang: int = -1
    node: int = -1
    queue: int = -1
    counted: bool = False  # what it holds is in the sums
    places: tuple[int, ...] = ()  # of its cards on the node
    charge: I64 | None = None


class Cache:
    """See the module. `apply_*` takes the newest version of an object, `remove_*` its last one."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.version = 0
        self._columns = {name: i for i, name in enumerate(FIRST_RESOURCES)}
        self._nodes: Table[str] = Table(
            {
                "allocatable": Column(np.int64, 0, ("R",)), "idle": Column(np.int64, 0, ("R",)),
                "releasing": Column(np.int64, 0, ("R",)), "device_total": Column(np.int64, 0, ("M", "3")),
                "device_free": Column(np.int64, 0, ("M", "3")), "device_releasing": Column(np.int64, 0, ("M", "3")),
                "version": Column(np.int64),
            },
            {"R": 8, "M": 0},
        )  # fmt: skip
        self._queues: Table[Identity] = Table(
            {"planned": Column(np.int64, 0, ("R",)), "held": Column(np.int64, 0, ("R",)), "version": Column(np.int64)},
            {"R": 8},
        )
        self._gangs: Table[GangKey] = Table(
            {
                "live": Column(np.bool_), "queue": Column(np.int32, -1), "priority": Column(np.int32),
                "created_s": Column(np.int64), "admitted": Column(np.bool_), "root": Column(np.int32, -1),
                "min_request": Column(np.int64, 0, ("R",)), "min_charge": Column(np.int64, 0, ("R",)),
                "obstacle": Column(np.int32), "written": Column(np.int32, 0, ("5",)), "version": Column(np.int64),
            },
            {"R": 8},
        )  # fmt: skip
        self._subgroups: Table[tuple[int, str]] = Table(
            {"gang": Column(np.int32, -1), "parent": Column(np.int32, -1), "min_member": Column(np.int32)}
        )
        self._tasks: Table[str] = Table(
            {
                "gang": Column(np.int32, -1), "subgroup": Column(np.int32, -1), "of_class": Column(np.int32, -1),
                "obstacle": Column(np.int32), "state": Column(np.int8), "node": Column(np.int32, -1),
                "devices": Column(np.int32, -1, ("A",)), "version": Column(np.int64),
            },
            {"A": 1},
        )  # fmt: skip
        self._classes: Table[ClassKey] = Table(
            {
                "request": Column(np.int64, 0, ("R",)), "charge": Column(np.int64, 0, ("R",)),
                "constraint_set": Column(np.int32, -1), "asks": Column(np.int64, 0, ("A", "3")),
                "ask_container": Column(np.int32, -1, ("A",)), "uses": Column(np.int64),
            },
            {"R": 8, "A": 1},
        )  # fmt: skip
        self._constraint_sets: Table[ConstraintSet] = Table({"uses": Column(np.int64)})
        self._other_use = np.zeros(8, np.int64)

        self._entries: dict[str, _Entry] = {}
        self._assumed: dict[str, Placement] = {}
        self._on_node: dict[str, set[str]] = {}
        self._of_gang: dict[GangKey, set[str]] = {}
        self._gangs_of_queue: dict[str, set[GangKey]] = {}
        self._queue_named: dict[GangKey, str] = {}
        self._pod_groups: dict[GangKey, PodGroup] = {}
        self._invalid: dict[GangKey, str] = {}
        self._node_readings: dict[str, NodeReading] = {}
        self._queue_objects: dict[Identity, Queue] = {}
        self._namespaces: dict[str, kube.Namespace] = {}
        self._priorities: dict[str, kube.PriorityClass] = {}
        self._smallest_memory = 0

        self._node_facts: list[NodeFacts | None] = []
        self._cards: list[tuple[vgpu.Card, ...]] = []
        self._gang_facts: list[GangFacts | None] = []
        self._gang_tasks: list[tuple[int, ...]] = []
        self._task_facts: list[TaskFacts | None] = []
        self._set_facts: list[ConstraintSet | None] = []
        self._queue_facts: list[Queue | None] = []
        self._queue_arrays: Queues | None = None
        self._node_ranks: np.ndarray[tuple[int], np.dtype[np.int32]] | None = None

    # Nodes

    def apply_node(self, node: kube.Node) -> str:
        """Take a node; returns what about it could not be used, or nothing."""
        reading, name = read_node(node), node.metadata.name
        if self._node_readings.get(name) == reading:
            return reading.problem
        self.version += 1
        with_pods = [self._entries[uid] for uid in self._on_node.get(name, ())]
        for entry in with_pods:
            self._uncount(entry)
        if name not in self._nodes:
            self._node_ranks = None
        row = self._nodes.take(name)
        self._node_readings[name] = reading
        _set(self._node_facts, row, reading.facts, None)
        _set(self._cards, row, reading.cards, ())
        self._learn(reading.allocatable)
        self._nodes.widen("M", len(reading.cards))
        of = self._nodes.of
        of["allocatable"][row] = of["idle"][row] = self._vector(reading.allocatable)
        of["releasing"][row] = of["device_releasing"][row] = of["device_total"][row] = 0
        for place, card in enumerate(reading.cards):
            of["device_total"][row, place] = (card.slots, card.memory, 100 if card.slots else 0)
        of["device_free"][row] = of["device_total"][row]
        of["version"][row] = self.version
        for entry in with_pods:
            self._count(entry)
        self._find_smallest_card()
        return reading.problem

    def remove_node(self, node: kube.Node) -> None:
        """Forget a node; what still runs there counts for its queue until its pods are gone."""
        name = node.metadata.name
        if self._node_readings.pop(name, None) is None:
            return
        self.version += 1
        with_pods = [self._entries[uid] for uid in self._on_node.get(name, ())]
        for entry in with_pods:
            self._uncount(entry)
        row = self._nodes.release(name)
        self._node_facts[row], self._cards[row], self._node_ranks = None, (), None
        for entry in with_pods:
            self._count(entry)
        self._find_smallest_card()

    def _find_smallest_card(self) -> None:
        cards = [c.memory for r in self._node_readings.values() for c in r.cards if c.slots and c.memory]
        smallest = min(cards, default=0)
        if smallest != self._smallest_memory:
            self._smallest_memory = smallest
            self._recharge()

    def _recharge(self) -> None:
        """Every charge that was an estimate by the smallest card is one no more."""
        for entry in self._entries.values():
            self._uncount(entry)
        for (request, _, asks), row in ((key, self._classes.find(key)) for key in self._classes):
            self._classes.of["charge"][row] = self._vector(
                derive.charge_of(request, asks, self._smallest_memory).items()
            )
        for entry in self._entries.values():
            self._count(entry)
        for key in list(self._gangs):
            self._refresh_gang(key)

    # Queues, namespaces, priority classes

    def apply_queue(self, queue: Queue) -> None:
        known = self._queue_objects.get(queue.identity)
        self._queue_objects[queue.identity] = queue
        row = self._queues.take(queue.identity)
        _set(self._queue_facts, row, queue, None)
        if known is not None and _ranks_the_same(known, queue) and known.spec == queue.spec:
            return
        self.version += 1
        for amounts in (queue.spec.capability, queue.spec.deserved, queue.spec.guarantee):
            self._learn((name, 0) for name in amounts or {})
        self._queue_arrays = None
        self._queues.of["version"][row] = self.version
        self._refresh_gangs_of(queue.metadata.name)

    def remove_queue(self, queue: Queue) -> None:
        if self._queue_objects.pop(queue.identity, None) is None:
            return
        self.version += 1
        self._queue_arrays = None
        waiting = list(self._gangs_of_queue.get(queue.metadata.name, ()))
        row = self._queues.find(queue.identity)
        for entry in [self._entries[uid] for key in waiting for uid in self._of_gang.get(key, ())]:
            self._uncount(entry)
        self._queues.release(queue.identity)
        self._queue_facts[row] = None
        for key in waiting:
            self._gangs.of["queue"][self._gangs.find(key)] = -1
        for entry in [self._entries[uid] for key in waiting for uid in self._of_gang.get(key, ())]:
            self._count(entry)
        self._refresh_gangs_of(queue.metadata.name)

    def apply_namespace(self, namespace: kube.Namespace) -> None:
        old = self._namespaces.get(namespace.metadata.name)
        self._namespaces[namespace.metadata.name] = namespace
        if old is None or _marks(old) != _marks(namespace):
            self._refresh_gangs(key for key in list(self._gangs) if key.namespace == namespace.metadata.name)

    def remove_namespace(self, namespace: kube.Namespace) -> None:
        if self._namespaces.pop(namespace.metadata.name, None) is not None:
            self._refresh_gangs(key for key in list(self._gangs) if key.namespace == namespace.metadata.name)

    def apply_priority_class(self, priority_class: kube.PriorityClass) -> None:
        old = self._priorities.get(priority_class.metadata.name)
        self._priorities[priority_class.metadata.name] = priority_class
        if old is None or (old.value, old.global_default) != (priority_class.value, priority_class.global_default):
            self._refresh_gangs(self._pod_groups)

    def remove_priority_class(self, priority_class: kube.PriorityClass) -> None:
        if self._priorities.pop(priority_class.metadata.name, None) is not None:
            self._refresh_gangs(self._pod_groups)

    # Gangs

    def apply_pod_group(self, pod_group: PodGroup) -> None:
        key = _gang_key(pod_group.identity)
        known = self._pod_groups.get(key)
        self._pod_groups[key] = pod_group
        was_invalid = self._invalid.pop(key, None) is not None
        self._learn((name, 0) for name in pod_group.spec.min_resources or {})
        self._refresh_gang(key)
        if was_invalid or known is None or known.spec != pod_group.spec:
            self.version += 1
            self._gangs.of["version"][self._gangs.find(key)] = self.version
            self._divide(key)

    def remove_pod_group(self, pod_group: PodGroup) -> None:
        key = _gang_key(pod_group.identity)
        if self._pod_groups.pop(key, None) is not None or self._invalid.pop(key, None) is not None:
            self.version += 1
            self._drop_or_refresh(key)

    def invalid(self, identity: Identity, error: str) -> None:
        """A PodGroup that cannot be decoded: its gang waits with reason Invalid, as it was never there before."""
        key = _gang_key(identity)
        self._invalid[key] = error
        self.version += 1
        self._refresh_gang(key)
        self._gangs.of["version"][self._gangs.find(key)] = self.version

    def _refresh_gangs(self, keys: Iterable[GangKey]) -> None:
        for key in list(keys):
            self._refresh_gang(key)

    def _refresh_gangs_of(self, queue: str) -> None:
        self._refresh_gangs(self._gangs_of_queue.get(queue, ()))

    def _drop_or_refresh(self, key: GangKey) -> None:
        if self._of_gang.get(key) or key in self._pod_groups or key in self._invalid:
            self._refresh_gang(key)
            self._divide(key)
            return
        row = self._gangs.release(key)
        self._gangs_of_queue[self._queue_named.pop(key)].discard(key)
        for name, _ in (*_facts(self._gang_facts[row]).subgroups, (ROOT, 0)):
            self._subgroups.release((row, name))
        self._gang_facts[row], self._gang_tasks[row] = None, ()

    def _refresh_gang(self, key: GangKey) -> None:
        """Bring a gang's row up to date with its PodGroup, its lone pod, its queue and its priority class."""
        fresh = key not in self._gangs
        row = self._gangs.take(key)
        group = self._pod_groups.get(key)
        pod = derive.speaker_of(self._entries[uid].reading for uid in self._of_gang.get(key, ()) if key.lone)
        namespace = self._namespaces.get(key.namespace)
        named = queue_of(pod.queue if pod else "", group.spec.queue if group else "", namespace, key.dialect)
        of = self._gangs.of
        queue = self._resolve(key.dialect, named)
        moved = not fresh and of["queue"][row] != queue
        counted = [entry for uid in self._of_gang.get(key, ()) if moved and (entry := self._entries[uid]).counted]
        for entry in counted:
            self._uncount(entry)
        if (before := self._queue_named.get(key)) != named:
            if before is not None:
                self._gangs_of_queue[before].discard(key)
                self.version += 1
                of["version"][row] = self.version
            self._queue_named[key] = named
            self._gangs_of_queue.setdefault(named, set()).add(key)
        obstacle, problem = derive.gang_obstacle(key, group, self._invalid.get(key), queue, named)
        old = self._gang_facts[row] if not fresh and row < len(self._gang_facts) else None
        subgroups = old.subgroups if old else ()
        facts = GangFacts(key.dialect, key.namespace, key.name, key.lone, group, named, problem, subgroups)
        _set(self._gang_facts, row, facts, None)
        created = group.metadata.creation_timestamp if group else pod.created if pod else None
        minimum = derive.base_amounts(group.spec.min_resources) if group else {}
        names = self.configuration.devices.vgpu
        of["live"][row] = derive.is_ours(key, group, bool(self._of_gang.get(key)), self.configuration)
        of["queue"][row], of["obstacle"][row] = queue, obstacle
        of["priority"][row] = derive.priority_of(group, pod, self._priorities.values())
        of["created_s"][row] = derive.seconds_of(created)
        of["admitted"][row] = derive.is_admitted(group) and (key.lone or group is not None)
        of["min_request"][row] = self._vector(minimum.items())
        of["min_charge"][row] = self._vector(derive.charge_of_minimum(minimum, names, self._smallest_memory).items())
        of["written"][row] = derive.written_status(group)
        if fresh:
            _set(self._gang_tasks, row, (), ())
            self._divide(key)
        for entry in counted:
            self._count(entry)

    def _resolve(self, dialect: str, queue: str) -> int:
        return next(
            (row for name in derive.referred_queues(dialect, queue) if (row := self._queues.find(name)) >= 0), -1
        )

    def _divide(self, key: GangKey) -> None:
        """Lay out a gang's subgroups anew, and tell its tasks theirs."""
        row, group = self._gangs.find(key), self._pod_groups.get(key)
        facts = _facts(self._gang_facts[row])
        old = {name for name, _ in facts.subgroups}
        wanted = derive.subgroups_of(group.spec if group else None)
        root = self._subgroups.take((row, ROOT))
        of = self._subgroups.of
        for name in old - {name for name, _, _ in wanted}:
            self._subgroups.release((row, name))
        rows = {name: self._subgroups.take((row, name)) for name, _, _ in wanted}
        of = self._subgroups.of
        of["gang"][root], of["parent"][root] = row, -1
        of["min_member"][root] = group.spec.min_member if group else 1
        for name, parent, minimum in wanted:
            of["gang"][rows[name]], of["min_member"][rows[name]] = row, minimum
            of["parent"][rows[name]] = rows[parent] if parent is not None else root
        self._gangs.of["root"][row] = root
        self._gang_facts[row] = replace(facts, subgroups=tuple(rows.items()))
        for uid in self._of_gang.get(key, ()):
            entry = self._entries[uid]
            self._tasks.of["subgroup"][entry.task] = rows.get(entry.reading.subgroup, root)

    # Pods

    def apply_pod(self, pod: kube.Pod) -> None:
        uid = pod.metadata.uid
        reading = read_pod(pod, self.configuration)
        entry = self._entries.get(uid)
        if reading is None:
            self._forget_pod(uid)
            return
        if uid in self._assumed:
            if reading.state is TaskState.PENDING:
                reading = as_bound(reading, self._assumed[uid].node, self._assumed[uid].annotations)
            else:
                del self._assumed[uid]
        if entry is None:
            self._enter(reading)
        elif entry.reading != reading:
            self._renew(entry, reading, foreseen=False)

    def remove_pod(self, pod: kube.Pod) -> None:
        self._forget_pod(pod.metadata.uid)

    def assume(self, bind: Placement) -> None:
        """Count a decided bind as bound until the watch shows it. Nothing happens for a pod that is gone or placed."""
        entry = self._entries.get(bind.uid)
        if entry is None or entry.reading.state is not TaskState.PENDING:
            return
        self._assumed[bind.uid] = bind
        self._renew(entry, as_bound(entry.reading, bind.node, bind.annotations), foreseen=True)

    def forget(self, uid: str) -> None:
        """The bind is known to have failed: the pod waits again."""
        if self._assumed.pop(uid, None) is not None and (entry := self._entries.get(uid)) is not None:
            waiting = replace(entry.reading, state=TaskState.PENDING, node="", grants=())
            self._renew(entry, waiting, foreseen=True)

    def is_current(self, snapshot: Snapshot, decision: GangPlacement) -> bool:
        """True if nothing that the decision rests on has changed since: its gang, queue, pods and nodes."""
        gang = self._gangs.find(decision.gang)
        if gang < 0 or self._gangs.of["version"][gang] > snapshot.version:
            return False
        queue = self._gangs.of["queue"][gang]
        if self._queues.of["version"][queue] > snapshot.version if queue >= 0 else decision.binds:
            return False
        for bind in decision.binds:
            entry, node = self._entries.get(bind.uid), self._nodes.find(bind.node)
            if entry is None or entry.reading.state is not TaskState.PENDING or node < 0:
                return False
            if self._tasks.of["version"][entry.task] > snapshot.version:
                return False
            if self._nodes.of["version"][node] > snapshot.version:
                return False
        return True

    def _enter(self, reading: PodReading) -> None:
        self.version += 1
        entry = _Entry(reading, self._take_class(reading))
        self._entries[reading.uid] = entry
        if reading.gang is not None:
            entry.task = self._tasks.take(reading.uid)
            self._of_gang.setdefault(reading.gang, set()).add(reading.uid)
            known = self._gangs.find(reading.gang)
            if reading.gang.lone or known < 0 or not self._gangs.of["live"][known]:
                self._refresh_gang(reading.gang)
            entry.gang = self._gangs.find(reading.gang)
            self._gang_tasks[entry.gang] += (entry.task,)
            self._write_task(entry)
        self._count(entry)
        if reading.node and (node := self._nodes.find(reading.node)) >= 0:
            self._nodes.of["version"][node] = self.version

    def _renew(self, entry: _Entry, reading: PodReading, *, foreseen: bool) -> None:
        """Count a pod's new reading in place of its old one. A foreseen change leaves decisions in flight valid."""
        old = entry.reading
        if old.gang != reading.gang:
            self._leave(old.uid)
            self._enter(reading)
            return
        self.version += 1
        self._uncount(entry)
        if (old.request, old.constraints, old.asks) != (reading.request, reading.constraints, reading.asks):
            self._release_class(old)
            entry.of_class = self._take_class(reading)
        entry.reading = reading
        if entry.task >= 0:
            self._write_task(entry)
            if not foreseen:
                self._tasks.of["version"][entry.task] = self.version
        if reading.gang is not None and reading.gang.lone:
            self._refresh_gang(reading.gang)
        self._count(entry)
        taken = (reading.node, reading.request, reading.grants) != (old.node, old.request, old.grants)
        if not foreseen and taken and entry.node >= 0:
            self._nodes.of["version"][entry.node] = self.version

    def _forget_pod(self, uid: str) -> None:
        self._assumed.pop(uid, None)
        self._leave(uid)

    def _leave(self, uid: str) -> None:
        """Take a pod out of all that is counted; a bind that is assumed stays so."""
        entry = self._entries.pop(uid, None)
        if entry is None:
            return
        self.version += 1
        self._uncount(entry)
        self._release_class(entry.reading)
        key = entry.reading.gang
        if key is not None:
            row = self._tasks.release(uid)
            self._task_facts[row] = None
            self._gang_tasks[entry.gang] = tuple(task for task in self._gang_tasks[entry.gang] if task != row)
            self._of_gang[key].discard(uid)
            if not self._of_gang[key]:
                del self._of_gang[key]
                self._drop_or_refresh(key)
            elif key.lone:
                self._refresh_gang(key)

    def _write_task(self, entry: _Entry) -> None:
        reading, of, row = entry.reading, self._tasks.of, entry.task
        facts = TaskFacts(
            reading.uid,
            reading.namespace,
            reading.name,
            reading.order,
            reading.problem,
            reading.containers,
            reading.asks,
        )
        _set(self._task_facts, row, facts, None)
        of["gang"][row], of["of_class"][row], of["obstacle"][row] = entry.gang, entry.of_class, reading.obstacle
        of["state"][row] = reading.state
        subgroup = self._subgroups.find((entry.gang, reading.subgroup))
        of["subgroup"][row] = subgroup if subgroup >= 0 else self._gangs.of["root"][entry.gang]

    def _take_class(self, reading: PodReading) -> int:
        key = (reading.request, reading.constraints, reading.asks)
        fresh = key not in self._classes
        row = self._classes.take(key)
        if fresh:
            self._learn(reading.request)
            self._classes.widen("A", len(reading.asks))
            self._tasks.widen("A", len(reading.asks))
            constraint_set = self._constraint_sets.take(reading.constraints)
            _set(self._set_facts, constraint_set, reading.constraints, None)
            self._constraint_sets.of["uses"][constraint_set] += 1
            of = self._classes.of
            of["request"][row] = self._vector(reading.request)
            charge = derive.charge_of(reading.request, reading.asks, self._smallest_memory)
            of["charge"][row] = self._vector(charge.items())
            of["constraint_set"][row] = constraint_set
            for i, ask in enumerate(reading.asks):
                of["asks"][row, i], of["ask_container"][row, i] = (1, ask.memory, ask.cores), ask.container
        self._classes.of["uses"][row] += 1
        return row

    def _release_class(self, reading: PodReading) -> None:
        key = (reading.request, reading.constraints, reading.asks)
        row = self._classes.find(key)
        self._classes.of["uses"][row] -= 1
        if self._classes.of["uses"][row] == 0:
            self._classes.release(key)
            constraint_set = self._constraint_sets.find(reading.constraints)
            self._constraint_sets.of["uses"][constraint_set] -= 1
            if self._constraint_sets.of["uses"][constraint_set] == 0:
                self._constraint_sets.release(reading.constraints)
                self._set_facts[constraint_set] = None

    # Sums

    def _count(self, entry: _Entry) -> None:
        """Add what a pod holds to its node, its cards and its queue, and remember exactly that."""
        reading = entry.reading
        if not reading.node:
            return
        entry.counted = True
        self._on_node.setdefault(reading.node, set()).add(reading.uid)
        entry.node = self._nodes.find(reading.node)
        cards = self._cards[entry.node] if entry.node >= 0 else ()
        place_of = {card.uuid: place for place, card in enumerate(cards)}
        entry.places = tuple(place_of.get(grant.uuid, -1) for grant in reading.grants)
        entry.charge = None
        if entry.task >= 0:
            entry.queue = int(self._gangs.of["queue"][entry.gang])
            entry.charge = self._classes.of["charge"][entry.of_class].copy()
            if reading.grants and all(place >= 0 for place in entry.places):
                estimate = vgpu.charge_of_asks(reading.asks, self._smallest_memory)
                entry.charge[GPU_COLUMN] += derive.charge_of_grants(reading.grants, cards, entry.places) - estimate
            self._tasks.of["node"][entry.task] = entry.node
            self._tasks.of["devices"][entry.task] = -1
            width = min(len(entry.places), len(reading.asks))
            self._tasks.of["devices"][entry.task, :width] = entry.places[:width]
        self._add(entry, 1)

    def _uncount(self, entry: _Entry) -> None:
        if not entry.counted:
            return
        entry.counted = False
        self._on_node[entry.reading.node].discard(entry.reading.uid)
        if not self._on_node[entry.reading.node]:
            del self._on_node[entry.reading.node]
        self._add(entry, -1)
        if entry.task >= 0:
            self._tasks.of["node"][entry.task] = -1
            self._tasks.of["devices"][entry.task] = -1
        entry.node, entry.queue, entry.places, entry.charge = -1, -1, (), None

    def _add(self, entry: _Entry, sign: int) -> None:
        reading, releasing = entry.reading, entry.reading.state is TaskState.RELEASING
        request = self._classes.of["request"][entry.of_class]
        if entry.node >= 0:
            of = self._nodes.of
            of["idle"][entry.node] -= sign * request
            if releasing:
                of["releasing"][entry.node] += sign * request
            for grant, place in zip(reading.grants, entry.places, strict=True):
                if place >= 0:
                    taken = np.array((1, grant.memory, grant.cores), np.int64)
                    of["device_free"][entry.node, place] -= sign * taken
                    if releasing:
                        of["device_releasing"][entry.node, place] += sign * taken
            if entry.task < 0:
                self._other_use += sign * request
        if entry.queue >= 0 and entry.charge is not None:
            self._queues.of["held"][entry.queue] += sign * entry.charge
            if not releasing:
                self._queues.of["planned"][entry.queue] += sign * entry.charge

    def _learn(self, amounts: Iterable[tuple[str, int]]) -> None:
        """Give every resource named a column."""
        for name, _ in amounts:
            if name not in self._columns:
                self._columns[name] = len(self._columns)
                self._queue_arrays = None
        if len(self._columns) > len(self._other_use):
            width = 2 * len(self._other_use)
            self._other_use = np.concatenate([self._other_use, np.zeros(width // 2, np.int64)])
            for table in (self._nodes, self._queues, self._gangs, self._classes):
                table.widen("R", width)
            for entry in self._entries.values():
                if entry.charge is not None:
                    entry.charge = np.concatenate([entry.charge, np.zeros(width - len(entry.charge), np.int64)])
            self._learn(amounts)

    def _vector(self, amounts: Iterable[tuple[str, int]]) -> I64:
        amounts = tuple(amounts)
        self._learn(amounts)
        return derive.vector(amounts, self._columns, len(self._other_use))

    # Snapshot

    def snapshot(self, now: datetime) -> tuple[Snapshot, Ledger]:
        """The state at this moment: facts that nobody changes any more, and the ledger of one cycle."""
        width = len(self._columns)
        nodes, gangs, tasks, classes, subgroups = (
            self._nodes, self._gangs, self._tasks, self._classes, self._subgroups,
        )  # fmt: skip
        if self._node_ranks is None:
            self._node_ranks = derive.ranks([facts.name if facts else None for facts in self._node_facts])
        if self._queue_arrays is None or self._queue_arrays.capability.shape != (self._queues.size, width):
            self._queue_arrays = derive.queue_arrays(self._queue_facts, self._columns, width)
        allocatable = nodes.copy("allocatable")[:, :width]
        live = np.array([facts is not None for facts in self._node_facts], np.bool_)
        facts = Facts(
            nodes=Nodes(np.ascontiguousarray(allocatable), self._node_ranks, live),
            devices=Devices(nodes.copy("device_total"), self._smallest_memory),
            queues=self._queue_arrays,
            gangs=Gangs(
                live=gangs.copy("live"), queue=gangs.copy("queue"), priority=gangs.copy("priority"),
                created_s=gangs.copy("created_s"), admitted=gangs.copy("admitted"),
                min_request=_narrow(gangs.copy("min_request"), width),
                min_charge=_narrow(gangs.copy("min_charge"), width),
                root=gangs.copy("root"), obstacle=gangs.copy("obstacle"), written=gangs.copy("written"),
            ),
            subgroups=Subgroups(subgroups.copy("gang"), subgroups.copy("parent"), subgroups.copy("min_member")),
            tasks=Tasks(tasks.copy("gang"), tasks.copy("subgroup"), tasks.copy("of_class"), tasks.copy("obstacle")),
            classes=Classes(
                request=_narrow(classes.copy("request"), width), charge=_narrow(classes.copy("charge"), width),
                constraint_set=classes.copy("constraint_set"), asks=classes.copy("asks"),
                ask_container=classes.copy("ask_container"),
            ),
        )  # fmt: skip
        for record in facts:
            read_only(*(array for array in record if isinstance(array, np.ndarray)))
        ledger = Ledger(
            node_idle=_narrow(nodes.copy("idle"), width),
            node_releasing=_narrow(nodes.copy("releasing"), width),
            device_free=nodes.copy("device_free"),
            device_releasing=nodes.copy("device_releasing"),
            queue_planned=derive.roll_up(_narrow(self._queues.copy("planned"), width), facts.queues),
            queue_held=derive.roll_up(_narrow(self._queues.copy("held"), width), facts.queues),
            task_state=tasks.copy("state"),
            task_node=tasks.copy("node"),
            task_devices=tasks.copy("devices"),
        )
        snapshot = Snapshot(
            now=now,
            resources=tuple(self._columns),
            facts=facts,
            nodes=tuple(self._node_facts),
            cards=tuple(self._cards),
            queues=tuple(self._queue_facts),
            gangs=tuple(self._gang_facts),
            gang_tasks=tuple(self._gang_tasks),
            tasks=tuple(self._task_facts),
            constraint_sets=tuple(self._set_facts),
            total=derive.cluster_total(allocatable, facts.devices.total) - self._other_use[:width],
            version=self.version,
        )
        return snapshot, ledger


def _gang_key(identity: Identity) -> GangKey:
    return GangKey(identity.dialect, identity.namespace, identity.name, lone=False)


def _marks(namespace: kube.Namespace) -> tuple[object, object]:
    """What may name a queue."""
    return namespace.metadata.annotations, namespace.metadata.labels


def _ranks_the_same(old: Queue, new: Queue) -> bool:
    return old.metadata.creation_timestamp == new.metadata.creation_timestamp


def _facts(facts: GangFacts | None) -> GangFacts:
    assert facts is not None
    return facts


T = TypeVar("T")


def _set(values: list[T], row: int, value: T, empty: T) -> None:
    """Put a value where its row is, as far behind the end as that may be."""
    values.extend(empty for _ in range(row + 1 - len(values)))
    values[row] = value


def _narrow(array: I64, width: int) -> I64:
    return np.ascontiguousarray(array[:, :width])
