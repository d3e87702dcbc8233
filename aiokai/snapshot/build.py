"""The plain way from objects to arrays: the reference for the incremental cache.

Objects come in, a `Snapshot` and a `Ledger` go out; nothing is remembered, and rows are in the order of names. It
shares with `snapshot/cache.py` how one object is read and the small computations of `derive.py`, but none of the
bookkeeping: the two are equal up to row numbers, and give equal decisions (tests/snapshot/test_cache_is_build.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

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
    Devices,
    Facts,
    GangFacts,
    Gangs,
    Ledger,
    Nodes,
    Snapshot,
    Subgroups,
    TaskFacts,
    Tasks,
    TaskState,
    read_only,
)
from aiokai.snapshot.cache import Placement
from aiokai.snapshot.class_table import ClassKey
from aiokai.snapshot.reading import NodeReading, PodReading, as_bound, queue_of, read_node, read_pod
from aiokai.snapshot.volumes import with_volumes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Objects:
    """All that is read of a cluster. `invalid` holds PodGroups that cannot be decoded, and why."""

    nodes: Sequence[kube.Node] = ()
    pods: Sequence[kube.Pod] = ()
    queues: Sequence[Queue] = ()
    pod_groups: Sequence[PodGroup] = ()
    invalid: Mapping[Identity, str] = field(default_factory=dict)
    namespaces: Sequence[kube.Namespace] = ()
    priority_classes: Sequence[kube.PriorityClass] = ()
    claims: Sequence[kube.PersistentVolumeClaim] = ()
    volumes: Sequence[kube.PersistentVolume] = ()


def build(
    objects: Objects, assumed: Iterable[Placement], configuration: Configuration, now: datetime
) -> tuple[Snapshot, Ledger]:
    """The state that these objects make, with the binds assumed that none of them shows yet."""
    return _Build(objects, assumed, configuration).snapshot(now)


class _Build:
    """One pass over everything: readings first, then rows, then arrays."""

    def __init__(self, objects: Objects, assumed: Iterable[Placement], configuration: Configuration) -> None:
        self.configuration = configuration
        self.objects = objects
        binds = {bind.uid: bind for bind in assumed}
        self.nodes: list[NodeReading] = sorted(map(read_node, objects.nodes), key=lambda node: node.facts.name)
        self.queues = sorted(objects.queues, key=lambda queue: queue.identity)
        readings = (read_pod(pod, configuration) for pod in sorted(objects.pods, key=lambda pod: pod.metadata.uid))
        claims = {(claim.metadata.namespace, claim.metadata.name): claim for claim in objects.claims}
        volumes = {volume.metadata.name: volume for volume in objects.volumes}
        bound = (_with_bind(reading, binds) for reading in readings if reading is not None)
        self.pods = [with_volumes(reading, claims, volumes) for reading in bound]
        self.tasks = [pod for pod in self.pods if pod.gang is not None]
        self.groups = {_key_of(group.identity): group for group in objects.pod_groups}
        self.invalid = {_key_of(identity): error for identity, error in objects.invalid.items()}
        named = {pod.gang for pod in self.tasks if pod.gang is not None}
        self.gangs = sorted({*named, *self.groups, *self.invalid})
        kinds: set[ClassKey] = {(pod.request, pod.constraints, pod.asks) for pod in self.pods}
        self.classes = sorted(kinds, key=repr)
        self.sets = sorted({constraints for _, constraints, _ in self.classes}, key=repr)
        self.resources = [*FIRST_RESOURCES, *sorted(self._named_resources() - set(FIRST_RESOURCES))]
        self.columns = {name: column for column, name in enumerate(self.resources)}
        self.width = len(self.resources)
        self.node_row = {node.facts.name: row for row, node in enumerate(self.nodes)}
        self.queue_row = {queue.identity: row for row, queue in enumerate(self.queues)}
        self.gang_row = {key: row for row, key in enumerate(self.gangs)}
        self.class_row = {key: row for row, key in enumerate(self.classes)}
        cards = [card.memory for node in self.nodes for card in node.cards if card.slots and card.memory]
        self.smallest_memory = min(cards, default=0)
        self.asks = max((len(asks) for _, _, asks in self.classes), default=0) or 1
        self.namespaces = {namespace.metadata.name: namespace for namespace in objects.namespaces}
        self.names = [self._queue_name(key) for key in self.gangs]
        self.subgroups = self._lay_out_subgroups()

    def _named_resources(self) -> set[str]:
        named = {name for node in self.nodes for name, _ in node.allocatable}
        named |= {name for request, _, _ in self.classes for name, _ in request}
        for queue in self.queues:
            named |= {*(queue.spec.capability or ()), *(queue.spec.deserved or ()), *(queue.spec.guarantee or ())}
        for group in self.groups.values():
            named |= set(group.spec.min_resources or ())
        return named

    def _speaker(self, key: GangKey) -> PodReading | None:
        return derive.speaker_of(pod for pod in self.tasks if pod.gang == key) if key.lone else None

    def _queue_name(self, key: GangKey) -> str:
        group, pod = self.groups.get(key), self._speaker(key)
        namespace = self.namespaces.get(key.namespace)
        return queue_of(pod.queue if pod else "", group.spec.queue if group else "", namespace, key.dialect)

    def _queue_of_gang(self, gang: int) -> int:
        referred = derive.referred_queues(self.gangs[gang].dialect, self.names[gang])
        return next((self.queue_row[identity] for identity in referred if identity in self.queue_row), -1)

    def _lay_out_subgroups(self) -> list[tuple[int, str, int, int]]:
        """Gang, name, parent and minimum of each row; a gang's root, without a name, comes first."""
        rows: list[tuple[int, str, int, int]] = []
        for gang, key in enumerate(self.gangs):
            group = self.groups.get(key)
            root = len(rows)
            rows.append((gang, "", -1, group.spec.min_member if group else 1))
            row_of: dict[str | None, int] = {None: root}
            for name, parent, minimum in derive.subgroups_of(group.spec if group else None):
                row_of[name] = len(rows)
                rows.append((gang, name, row_of[parent], minimum))
        return rows

    def _vector(self, amounts: Iterable[tuple[str, int]]) -> I64:
        return derive.vector(amounts, self.columns, self.width)

    def snapshot(self, now: datetime) -> tuple[Snapshot, Ledger]:
        facts = self._facts()
        for record in facts:
            read_only(*(array for array in record if isinstance(array, np.ndarray)))
        ledger = self._ledger(facts)
        others = [pod for pod in self.pods if pod.gang is None and pod.node in self.node_row]
        use = sum((self._vector(pod.request) for pod in others), np.zeros(self.width, np.int64))
        of_gang = [tuple(row for row, pod in enumerate(self.tasks) if pod.gang == key) for key in self.gangs]
        snapshot = Snapshot(
            now=now,
            resources=tuple(self.resources),
            facts=facts,
            nodes=tuple(node.facts for node in self.nodes),
            cards=tuple(node.cards for node in self.nodes),
            queues=tuple(self.queues),
            gangs=tuple(self._gang_facts(gang) for gang in range(len(self.gangs))),
            gang_tasks=tuple(of_gang),
            tasks=tuple(_task_facts(pod) for pod in self.tasks),
            constraint_sets=tuple(self.sets),
            total=derive.cluster_total(facts.nodes.allocatable, facts.devices.total) - use,
            version=0,
        )
        return snapshot, ledger

    # What is

    def _facts(self) -> Facts:
        return Facts(
            nodes=Nodes(
                allocatable=self._stack(self._vector(node.allocatable) for node in self.nodes),
                rank=derive.ranks([node.facts.name for node in self.nodes]),
                live=np.ones(len(self.nodes), np.bool_),
            ),
            devices=Devices(self._device_totals(), self.smallest_memory),
            queues=derive.queue_arrays(self.queues, self.columns, self.width),
            gangs=self._gang_arrays(),
            subgroups=Subgroups(
                gang=_ints(gang for gang, _, _, _ in self.subgroups),
                parent=_ints(parent for _, _, parent, _ in self.subgroups),
                min_member=_ints(minimum for _, _, _, minimum in self.subgroups),
            ),
            tasks=Tasks(
                gang=_ints(self.gang_row[pod.gang] for pod in self.tasks if pod.gang is not None),
                subgroup=_ints(self._subgroup_of(pod) for pod in self.tasks),
                of_class=_ints(self._class_of(pod) for pod in self.tasks),
                obstacle=_ints(pod.obstacle for pod in self.tasks),
            ),
            classes=self._class_arrays(),
        )

    def _stack(self, rows: Iterable[I64]) -> I64:
        found = list(rows)
        return np.stack(found) if found else np.zeros((0, self.width), np.int64)

    def _device_totals(self) -> I64:
        total = np.zeros((len(self.nodes), max((len(node.cards) for node in self.nodes), default=0), 3), np.int64)
        for row, node in enumerate(self.nodes):
            for place, card in enumerate(node.cards):
                total[row, place] = (card.slots, card.memory, 100 if card.slots else 0)
        return total

    def _gang_arrays(self) -> Gangs:
        groups = [self.groups.get(key) for key in self.gangs]
        speakers = [self._speaker(key) for key in self.gangs]
        minima = [derive.base_amounts(group.spec.min_resources) if group else {} for group in groups]
        names = self.configuration.devices.vgpu
        charges = [derive.charge_of_minimum(minimum, names, self.smallest_memory) for minimum in minima]
        created = [
            group.metadata.creation_timestamp if group else pod.created if pod else None
            for group, pod in zip(groups, speakers, strict=True)
        ]
        return Gangs(
            live=np.array(
                [
                    derive.is_ours(key, group, any(pod.gang == key for pod in self.tasks), self.configuration)
                    for key, group in zip(self.gangs, groups, strict=True)
                ],
                np.bool_,
            ),
            grouped=np.array([group is not None for group in groups], np.bool_),
            queue=_ints(self._queue_of_gang(gang) for gang in range(len(groups))),
            priority=_ints(
                derive.priority_of(group, pod, self.objects.priority_classes)
                for group, pod in zip(groups, speakers, strict=True)
            ),
            created_s=np.array([derive.seconds_of(moment) for moment in created], np.int64),
            admitted=np.array(
                [
                    derive.is_admitted(group) and (key.lone or group is not None)
                    for key, group in zip(self.gangs, groups, strict=True)
                ],
                np.bool_,
            ),
            min_request=self._stack(self._vector(minimum.items()) for minimum in minima),
            min_charge=self._stack(self._vector(charge.items()) for charge in charges),
            root=_ints(row for row, (_, name, _, _) in enumerate(self.subgroups) if not name),
            obstacle=_ints(self._obstacle(gang)[0] for gang in range(len(groups))),
            written=np.array([derive.written_status(group) for group in groups], np.int32).reshape(len(groups), 5),
        )

    def _obstacle(self, gang: int) -> tuple[int, str]:
        key = self.gangs[gang]
        return derive.gang_obstacle(
            key, self.groups.get(key), self.invalid.get(key), self._queue_of_gang(gang), self.names[gang]
        )

    def _gang_facts(self, gang: int) -> GangFacts:
        key = self.gangs[gang]
        below = tuple((name, row) for row, (of, name, _, _) in enumerate(self.subgroups) if of == gang and name)
        group, problem = self.groups.get(key), self._obstacle(gang)[1]
        return GangFacts(*key, pod_group=group, queue=self.names[gang], problem=problem, subgroups=below)

    def _subgroup_of(self, pod: PodReading) -> int:
        row_of = {name: row for row, (of, name, _, _) in enumerate(self.subgroups) if self.gangs[of] == pod.gang}
        return row_of.get(pod.subgroup, row_of[""])

    def _class_of(self, pod: PodReading) -> int:
        return self.class_row[pod.request, pod.constraints, pod.asks]

    def _class_arrays(self) -> Classes:
        asks = np.zeros((len(self.classes), self.asks, 3), np.int64)
        ask_container = np.full((len(self.classes), self.asks), -1, np.int32)
        for row, (_, _, wanted) in enumerate(self.classes):
            for i, ask in enumerate(wanted):
                asks[row, i], ask_container[row, i] = (1, ask.memory, ask.cores), ask.container
        set_row = {constraints: row for row, constraints in enumerate(self.sets)}
        return Classes(
            request=self._stack(self._vector(request) for request, _, _ in self.classes),
            charge=self._stack(
                self._vector(derive.charge_of(request, wanted, self.smallest_memory).items())
                for request, _, wanted in self.classes
            ),
            constraint_set=_ints(set_row[constraints] for _, constraints, _ in self.classes),
            asks=asks,
            ask_container=ask_container,
        )

    # What is used

    def _ledger(self, facts: Facts) -> Ledger:
        free, releasing = facts.nodes.allocatable.copy(), np.zeros_like(facts.nodes.allocatable)
        device_free, device_releasing = facts.devices.total.copy(), np.zeros_like(facts.devices.total)
        for pod in self.pods:
            node = self.node_row.get(pod.node, -1)
            if node < 0:
                continue
            free[node] -= self._vector(pod.request)
            taken, places = np.zeros_like(device_free[node]), self._places(pod)
            if not derive.names_its_cards(pod.asks, pod.grants):
                taken += facts.devices.total[node]
            for grant, place in zip(pod.grants, places, strict=True):
                if place >= 0:
                    taken[place] += (1, grant.memory, grant.cores)
            device_free[node] -= taken
            if pod.state is TaskState.RELEASING:
                releasing[node] += self._vector(pod.request)
                device_releasing[node] += taken
        held, planned = np.zeros_like(facts.queues.capability), np.zeros_like(facts.queues.capability)
        for row, pod in enumerate(self.tasks):
            queue = facts.gangs.queue[facts.tasks.gang[row]]
            if pod.node and queue >= 0:
                charge = self._charge(pod)
                held[queue] += charge
                if pod.state is not TaskState.RELEASING:
                    planned[queue] += charge
        return Ledger(
            node_idle=free,
            node_releasing=releasing,
            device_free=device_free,
            device_releasing=device_releasing,
            queue_planned=derive.roll_up(planned, facts.queues),
            queue_held=derive.roll_up(held, facts.queues),
            task_state=np.array([pod.state for pod in self.tasks], np.int8),
            task_node=_ints(self.node_row.get(pod.node, -1) for pod in self.tasks),
            task_devices=self._task_devices(),
        )

    def _places(self, pod: PodReading) -> tuple[int, ...]:
        """Where on its node the pod's cards are; -1 for one that is not registered there."""
        node = self.node_row.get(pod.node, -1)
        place_of = {card.uuid: place for place, card in enumerate(self.nodes[node].cards)} if node >= 0 else {}
        return tuple(place_of.get(grant.uuid, -1) for grant in pod.grants)

    def _charge(self, pod: PodReading) -> I64:
        """What its queue pays: by the cards it has where all are known, else by the smallest."""
        charge = self._vector(derive.charge_of(pod.request, pod.asks, self.smallest_memory).items())
        places = self._places(pod)
        if pod.grants and all(place >= 0 for place in places):
            cards = self.nodes[self.node_row[pod.node]].cards
            charge[GPU_COLUMN] -= vgpu.charge_of_asks(pod.asks, self.smallest_memory)
            charge[GPU_COLUMN] += derive.charge_of_grants(pod.grants, cards, places)
        return charge

    def _task_devices(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        devices = np.full((len(self.tasks), self.asks), -1, np.int32)
        for row, pod in enumerate(self.tasks):
            for i, place in enumerate(self._places(pod)[: len(pod.asks)]):
                devices[row, i] = place
        return devices


def _with_bind(reading: PodReading, binds: Mapping[str, Placement]) -> PodReading:
    bind = binds.get(reading.uid)
    if bind is None or reading.state is not TaskState.PENDING:
        return reading
    return as_bound(reading, bind.node, bind.annotations)


def _key_of(identity: Identity) -> GangKey:
    return GangKey(identity.dialect, identity.namespace, identity.name, lone=False)


def _task_facts(pod: PodReading) -> TaskFacts:
    return TaskFacts(pod.uid, pod.namespace, pod.name, pod.order, pod.problem, pod.containers, pod.asks)


def _ints(values: Iterable[int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.fromiter(values, np.int32)
