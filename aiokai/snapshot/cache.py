"""The cluster's state, kept current from events, so that a snapshot costs a copy plus what changed.

Events come in, a `Snapshot` and a `Ledger` go out. Only one thread may call it: the edge's main loop. An assumed bind
counts as bound until the watch shows the pod, or it is forgotten; nothing here survives a restart, since everything can
be read from the objects again. `snapshot/build.py` builds the same from scratch and is the test's twin.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np

from aiokai.devices import vgpu
from aiokai.model import kube
from aiokai.model.base import Identity
from aiokai.model.configuration import Configuration
from aiokai.model.pod_group import GangKey, PodGroup
from aiokai.model.queue import Queue
from aiokai.snapshot import derive
from aiokai.snapshot.arrays import Facts, Ledger, Snapshot, TaskFacts, Tasks, TaskState, read_only
from aiokai.snapshot.class_table import ClassTable, class_of
from aiokai.snapshot.gang_table import GangReading, GangTable
from aiokai.snapshot.node_table import NodeTable
from aiokai.snapshot.queue_table import QueueTable
from aiokai.snapshot.reading import PodReading, as_bound, queue_of, read_node, read_pod
from aiokai.snapshot.table import Column, Resources, Table
from aiokai.snapshot.volumes import with_volumes


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
    read: PodReading  # the same before its claims were looked at
    of_class: int
    task: int = -1  # -1 for a pod of another scheduler
    gang: int = -1
    counted: bool = False  # what it holds is in the sums
    node: int = -1
    queue: int = -1
    places: tuple[int, ...] = ()  # of its cards on the node
    gpu_correction: int = 0  # its cards as they are, less the estimate in its class's charge


class Cache:
    """See the module. `apply_*` takes the newest version of an object, `remove_*` its last one."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.version = 0
        self._resources = Resources()
        self._nodes = NodeTable(self._resources)
        self._queues = QueueTable(self._resources)
        self._gangs = GangTable(self._resources, configuration)
        self._classes = ClassTable(self._resources)
        self._tasks: Table[str, TaskFacts] = Table(
            {
                "gang": Column(np.int32, -1), "subgroup": Column(np.int32, -1), "of_class": Column(np.int32, -1),
                "obstacle": Column(np.int32), "state": Column(np.int8), "node": Column(np.int32, -1),
                "devices": Column(np.int32, -1, ("A",)), "version": Column(np.int64),
            },
            {"A": 1},
        )  # fmt: skip
        self._used_by_others: Table[str, None] = self._resources.table({"use": Column(np.int64, 0, ("R",))})
        self._used_by_others.take("all")
        self._entries: dict[str, _Entry] = {}
        self._assumed: dict[str, Placement] = {}
        self._on_node: dict[str, set[str]] = {}
        self._of_gang: dict[GangKey, set[str]] = {}
        self._pod_groups: dict[GangKey, PodGroup] = {}
        self._invalid: dict[GangKey, str] = {}
        self._namespaces: dict[str, kube.Namespace] = {}
        self._priorities: dict[str, kube.PriorityClass] = {}
        self._claims: dict[tuple[str, str], kube.PersistentVolumeClaim] = {}
        self._volumes: dict[str, kube.PersistentVolume] = {}
        self._claimants: dict[tuple[str, str], set[str]] = {}

    # Nodes

    def apply_node(self, node: kube.Node) -> str:
        """Take a node; returns what about it could not be used, or nothing."""
        reading = read_node(node)
        if self._nodes.reading(node.metadata.name) != reading:
            self.version += 1
            entries = self._take_off(node.metadata.name)
            self._nodes.apply(reading, self.version)
            self._put_back(entries)
        return reading.problem

    def remove_node(self, node: kube.Node) -> None:
        """Forget a node; what still runs there counts for its queue until its pods are gone."""
        if self._nodes.find(node.metadata.name) >= 0:
            self.version += 1
            entries = self._take_off(node.metadata.name)
            self._nodes.remove(node.metadata.name)
            self._put_back(entries)

    def _take_off(self, node: str) -> list[_Entry]:
        entries = [self._entries[uid] for uid in self._on_node.get(node, ())]
        for entry in entries:
            self._uncount(entry)
        return entries

    def _put_back(self, entries: Iterable[_Entry]) -> None:
        """Count what is on a node by what the node is now, and by what all cards are now."""
        if self._nodes.smallest_memory != self._classes.smallest_memory:
            for entry in self._entries.values():
                self._uncount(entry)
            self._classes.estimate_by(self._nodes.smallest_memory)
            self._refresh_gangs(self._gangs.keys())
            entries = self._entries.values()
        for entry in entries:
            self._count(entry)

    # Queues, namespaces, priority classes

    def apply_queue(self, queue: Queue) -> None:
        if self._queues.apply(queue, self.version + 1):
            self.version += 1
            self._refresh_gangs(self._gangs.naming(queue.metadata.name))

    def remove_queue(self, queue: Queue) -> None:
        self.forget_queue(queue.identity)

    def forget_queue(self, identity: Identity) -> None:
        """Remove a queue of which no more than the name can be read."""
        if identity not in self._queues:
            return
        self.version += 1
        naming = self._gangs.naming(identity.name)
        entries = [self._entries[uid] for key in naming for uid in self._of_gang.get(key, ())]
        for entry in entries:
            self._uncount(entry)
        self._queues.remove(identity)
        self._refresh_gangs(naming)
        for entry in entries:
            self._count(entry)

    def apply_namespace(self, namespace: kube.Namespace) -> None:
        old = self._namespaces.get(namespace.metadata.name)
        self._namespaces[namespace.metadata.name] = namespace
        if old is None or _marks(old) != _marks(namespace):
            self._refresh_gangs(self._gangs.keys(namespace.metadata.name))

    def remove_namespace(self, namespace: kube.Namespace) -> None:
        if self._namespaces.pop(namespace.metadata.name, None) is not None:
            self._refresh_gangs(self._gangs.keys(namespace.metadata.name))

    def apply_priority_class(self, priority_class: kube.PriorityClass) -> None:
        old = self._priorities.get(priority_class.metadata.name)
        self._priorities[priority_class.metadata.name] = priority_class
        if old is None or (old.value, old.global_default) != (priority_class.value, priority_class.global_default):
            self._refresh_gangs(self._pod_groups)

    def remove_priority_class(self, priority_class: kube.PriorityClass) -> None:
        if self._priorities.pop(priority_class.metadata.name, None) is not None:
            self._refresh_gangs(self._pod_groups)

    # Volumes

    def apply_claim(self, claim: kube.PersistentVolumeClaim) -> None:
        key = (claim.metadata.namespace, claim.metadata.name)
        self._claims[key] = claim
        self._look_again(key)

    def remove_claim(self, claim: kube.PersistentVolumeClaim) -> None:
        key = (claim.metadata.namespace, claim.metadata.name)
        self._claims.pop(key, None)
        self._look_again(key)

    def apply_volume(self, volume: kube.PersistentVolume) -> None:
        self._volumes[volume.metadata.name] = volume
        self._look_again(*self._claims_of(volume.metadata.name))

    def remove_volume(self, volume: kube.PersistentVolume) -> None:
        self._volumes.pop(volume.metadata.name, None)
        self._look_again(*self._claims_of(volume.metadata.name))

    def _claims_of(self, volume: str) -> list[tuple[str, str]]:
        """Claims of this volume that a pod mounts."""
        found = ((key, self._claims.get(key)) for key in self._claimants)
        return [key for key, claim in found if claim is not None and claim.spec.volume_name == volume]

    def _look_again(self, *claims: tuple[str, str]) -> None:
        """What the pods that mount these claims may do has perhaps changed."""
        for uid in {uid for key in claims for uid in self._claimants.get(key, ())}:
            entry = self._entries[uid]
            if entry.reading.state is TaskState.PENDING:
                self._renew(entry, entry.read)

    # Gangs

    def apply_pod_group(self, pod_group: PodGroup) -> None:
        key = _gang_key(pod_group.identity)
        known = self._pod_groups.get(key)
        self._pod_groups[key] = pod_group
        was_invalid = self._invalid.pop(key, None) is not None
        self._refresh_gang(key)
        if was_invalid or known is None or known.spec != pod_group.spec:
            self.version += 1
            self._gangs.touch(key, self.version)
            self._divide(key)

    def remove_pod_group(self, pod_group: PodGroup) -> None:
        key = _gang_key(pod_group.identity)
        if self._pod_groups.pop(key, None) is not None or self._invalid.pop(key, None) is not None:
            self.version += 1
            self._drop_or_refresh(key)

    def invalid(self, identity: Identity, error: str | None) -> None:
        """A PodGroup that cannot be decoded: its gang waits with reason Invalid. None: it is gone."""
        key = _gang_key(identity)
        self.version += 1
        if error is None:
            if self._invalid.pop(key, None) is not None:
                self._drop_or_refresh(key)
            return
        self._invalid[key] = error
        self._refresh_gang(key)
        self._gangs.touch(key, self.version)

    def _refresh_gangs(self, keys: Iterable[GangKey]) -> None:
        for key in list(keys):
            self._refresh_gang(key)

    def _refresh_gang(self, key: GangKey) -> None:
        """Bring a gang's row up to date with its PodGroup, its lone pod, its queue and its priority class."""
        uids, group = self._of_gang.get(key, ()), self._pod_groups.get(key)
        pod = derive.speaker_of(self._entries[uid].reading for uid in uids if key.lone)
        namespace = self._namespaces.get(key.namespace)
        named = queue_of(pod.queue if pod else "", group.spec.queue if group else "", namespace, key.dialect)
        queue = self._queues.resolve(key.dialect, named)
        row = self._gangs.find(key)
        pays_anew = row >= 0 and self._gangs.queue(row) != queue
        entries = [entry for uid in uids if pays_anew and (entry := self._entries[uid]).counted]
        for entry in entries:
            self._uncount(entry)
        priority = derive.priority_of(group, pod, self._priorities.values())
        reading = GangReading(group, pod, bool(uids), named, queue, self._invalid.get(key), priority)
        if self._gangs.apply(key, reading, self._nodes.smallest_memory):
            self.version += 1
            self._gangs.touch(key, self.version)
        for entry in entries:
            self._count(entry)

    def _divide(self, key: GangKey) -> None:
        """Lay out a gang's subgroups anew, and tell its tasks theirs."""
        group = self._pod_groups.get(key)
        self._gangs.divide(key, group.spec if group else None)
        for uid in self._of_gang.get(key, ()):
            entry = self._entries[uid]
            self._tasks.of["subgroup"][entry.task] = self._gangs.subgroup(entry.gang, entry.reading.subgroup)

    def _drop_or_refresh(self, key: GangKey) -> None:
        if self._of_gang.get(key) or key in self._pod_groups or key in self._invalid:
            self._refresh_gang(key)
            self._divide(key)
        else:
            self._gangs.remove(key)

    # Pods

    def apply_pod(self, pod: kube.Pod) -> None:
        uid = pod.metadata.uid
        read = read_pod(pod, self.configuration)
        if read is None:
            self.remove_pod(pod)
            return
        if uid in self._assumed and read.state is not TaskState.PENDING:
            del self._assumed[uid]
        entry = self._entries.get(uid)
        if entry is None:
            self._enter(read)
        elif entry.read != read:
            self._renew(entry, read)

    def _looked_at(self, read: PodReading) -> PodReading:
        """A pod's reading with what is known besides: that it is assumed to be bound, or where its volumes are."""
        bind = self._assumed.get(read.uid)
        if bind is not None and read.state is TaskState.PENDING:
            return as_bound(read, bind.node, bind.annotations)
        return with_volumes(read, self._claims, self._volumes)

    def remove_pod(self, pod: kube.Pod) -> None:
        self._assumed.pop(pod.metadata.uid, None)
        self._leave(pod.metadata.uid)

    def assume(self, bind: Placement) -> None:
        """Count a decided bind as bound until the watch shows it. Nothing happens for a pod that is gone or placed."""
        entry = self._entries.get(bind.uid)
        if entry is None or entry.reading.state is not TaskState.PENDING:
            return
        self._assumed[bind.uid] = bind
        self._renew(entry, entry.read, foreseen=True)

    def forget(self, uid: str) -> None:
        """The bind is known to have failed: the pod waits again."""
        if self._assumed.pop(uid, None) is not None and (entry := self._entries.get(uid)) is not None:
            self._renew(entry, entry.read, foreseen=True)

    def is_current(self, snapshot: Snapshot, decision: GangPlacement) -> bool:
        """True if nothing that the decision rests on has changed since: its gang, queue, pods and nodes."""
        gang = self._gangs.find(decision.gang)
        if gang < 0 or self._gangs.version(gang) > snapshot.version:
            return False
        queue = self._gangs.queue(gang)
        if self._queues.version(queue) > snapshot.version if queue >= 0 else decision.binds:
            return False
        for bind in decision.binds:
            entry, node = self._entries.get(bind.uid), self._nodes.find(bind.node)
            if entry is None or entry.reading.state is not TaskState.PENDING or node < 0:
                return False
            if max(self._tasks.of["version"][entry.task], self._nodes.version(node)) > snapshot.version:
                return False
        return True

    def _enter(self, read: PodReading) -> None:
        self.version += 1
        reading = self._looked_at(read)
        entry = _Entry(reading, read, self._classes.take(reading))
        for _, claim in read.claims:
            self._claimants.setdefault((read.namespace, claim), set()).add(read.uid)
        self._entries[reading.uid] = entry
        self._tasks.widen("A", len(reading.asks))
        if reading.gang is not None:
            entry.task = self._tasks.take(reading.uid)
            self._of_gang.setdefault(reading.gang, set()).add(reading.uid)
            known = self._gangs.find(reading.gang)
            if reading.gang.lone or known < 0 or not self._gangs.is_live(known):
                self._refresh_gang(reading.gang)
            entry.gang = self._gangs.find(reading.gang)
            self._gangs.add_task(entry.gang, entry.task)
            self._write_task(entry)
        self._count(entry)
        if entry.node >= 0:
            self._nodes.touch(entry.node, self.version)

    def _renew(self, entry: _Entry, read: PodReading, *, foreseen: bool = False) -> None:
        """Count a pod's new reading in place of its old one. A foreseen change leaves decisions in flight valid."""
        old, reading = entry.reading, self._looked_at(read)
        if (entry.read.gang, entry.read.claims) != (read.gang, read.claims):
            self._leave(old.uid)
            self._enter(read)
            return
        entry.read = read
        if old == reading:
            return
        self.version += 1
        self._uncount(entry)
        if class_of(old) != class_of(reading):
            self._classes.release(old)
            entry.of_class = self._classes.take(reading)
            self._tasks.widen("A", len(reading.asks))
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
            self._nodes.touch(entry.node, self.version)

    def _leave(self, uid: str) -> None:
        """Take a pod out of all that is counted; a bind that is assumed stays so."""
        entry = self._entries.pop(uid, None)
        if entry is None:
            return
        self.version += 1
        self._uncount(entry)
        self._classes.release(entry.reading)
        for _, claim in entry.read.claims:
            self._drop_claimant((entry.read.namespace, claim), uid)
        key = entry.reading.gang
        if key is None:
            return
        self._gangs.remove_task(entry.gang, self._tasks.release(uid))
        self._of_gang[key].discard(uid)
        if not self._of_gang[key]:
            del self._of_gang[key]
            self._drop_or_refresh(key)
        elif key.lone:
            self._refresh_gang(key)

    def _drop_claimant(self, claim: tuple[str, str], uid: str) -> None:
        claimants = self._claimants.get(claim, set())
        claimants.discard(uid)
        if not claimants:
            self._claimants.pop(claim, None)

    def _write_task(self, entry: _Entry) -> None:
        pod, of, row = entry.reading, self._tasks.of, entry.task
        self._tasks.values[row] = TaskFacts(
            pod.uid, pod.namespace, pod.name, pod.order, pod.problem, pod.containers, pod.asks
        )
        of["gang"][row], of["of_class"][row], of["obstacle"][row] = entry.gang, entry.of_class, pod.obstacle
        of["state"][row], of["subgroup"][row] = pod.state, self._gangs.subgroup(entry.gang, pod.subgroup)

    # Sums

    def _count(self, entry: _Entry) -> None:
        """Add what a pod holds to its node, its cards and its queue, and remember exactly that."""
        reading = entry.reading
        if not reading.node:
            return
        entry.counted = True
        self._on_node.setdefault(reading.node, set()).add(reading.uid)
        entry.node = self._nodes.find(reading.node)
        entry.places = self._nodes.places(entry.node, reading.grants)
        if entry.task >= 0:
            entry.queue = self._gangs.queue(entry.gang)
            self._tasks.of["node"][entry.task] = entry.node
            if entry.places:
                self._count_cards(entry)
        self._add(entry, 1)

    def _count_cards(self, entry: _Entry) -> None:
        reading = entry.reading
        width = min(len(entry.places), len(reading.asks))
        self._tasks.of["devices"][entry.task, :width] = entry.places[:width]
        if all(place >= 0 for place in entry.places):
            real = derive.charge_of_grants(reading.grants, self._nodes.cards(entry.node), entry.places)
            entry.gpu_correction = real - vgpu.charge_of_asks(reading.asks, self._classes.smallest_memory)

    def _uncount(self, entry: _Entry) -> None:
        if not entry.counted:
            return
        on_node = self._on_node[entry.reading.node]
        on_node.discard(entry.reading.uid)
        if not on_node:
            del self._on_node[entry.reading.node]
        self._add(entry, -1)
        if entry.task >= 0:
            self._tasks.of["node"][entry.task] = -1
            self._tasks.of["devices"][entry.task] = -1
        entry.counted, entry.node, entry.queue, entry.places, entry.gpu_correction = False, -1, -1, (), 0

    def _add(self, entry: _Entry, sign: int) -> None:
        reading, request = entry.reading, self._classes.request(entry.of_class)
        releasing = reading.state is TaskState.RELEASING
        if entry.node >= 0:
            self._nodes.hold(entry.node, reading, request, entry.places, releasing=releasing, sign=sign)
            if entry.task < 0:
                self._used_by_others.of["use"][0] += sign * request
        if entry.queue >= 0:
            charge = self._classes.charge(entry.of_class)
            self._queues.charge(entry.queue, charge, entry.gpu_correction, planned=not releasing, sign=sign)

    # Snapshot

    def snapshot(self, now: datetime) -> tuple[Snapshot, Ledger]:
        """The state at this moment: facts that nobody changes any more, and the ledger of one cycle."""
        tasks = self._tasks
        gangs, subgroups = self._gangs.arrays()
        facts = Facts(
            nodes=self._nodes.arrays(),
            devices=self._nodes.devices(),
            queues=self._queues.arrays(),
            gangs=gangs,
            subgroups=subgroups,
            tasks=Tasks(tasks.copy("gang"), tasks.copy("subgroup"), tasks.copy("of_class"), tasks.copy("obstacle")),
            classes=self._classes.arrays(),
        )
        for record in facts:
            read_only(*(array for array in record if isinstance(array, np.ndarray)))
        ledger = Ledger(
            *self._nodes.left(),
            *self._queues.used(facts.queues),
            task_state=tasks.copy("state"),
            task_node=tasks.copy("node"),
            task_devices=tasks.copy("devices"),
        )
        others = self._used_by_others.of["use"][0, : len(self._resources)]
        snapshot = Snapshot(
            now=now,
            resources=tuple(self._resources.columns),
            facts=facts,
            nodes=self._nodes.facts(),
            cards=self._nodes.registered(),
            queues=self._queues.objects(),
            gangs=self._gangs.facts(),
            gang_tasks=self._gangs.tasks(),
            tasks=tuple(tasks.values),
            constraint_sets=self._classes.constraint_sets(),
            total=derive.cluster_total(facts.nodes.allocatable, facts.devices.total) - others,
            version=self.version,
        )
        return snapshot, ledger


def _gang_key(identity: Identity) -> GangKey:
    return GangKey(identity.dialect, identity.namespace, identity.name, lone=False)


def _marks(namespace: kube.Namespace) -> tuple[object, object]:
    """What may name a queue."""
    return namespace.metadata.annotations, namespace.metadata.labels
