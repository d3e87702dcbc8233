"""A few objects that change, a Cache that is told of each change, and what both amount to by name."""

from collections.abc import Mapping
from typing import Any

import msgspec

from aiokai.model import kube
from aiokai.model.base import Identity
from aiokai.model.configuration import Configuration, Profile
from aiokai.model.pod_group import PodGroup
from aiokai.model.quantity import UNLIMITED
from aiokai.model.queue import Queue
from aiokai.scheduler import schedule
from aiokai.session.decisions import Bind, Decisions
from aiokai.snapshot.arrays import Ledger, Snapshot, TaskState
from aiokai.snapshot.build import Objects, build
from aiokai.snapshot.cache import Cache
from tests.support.building import NOW


class Mirror:
    """What the API server would hold, and a Cache kept current from the events."""

    def __init__(self, configuration: Configuration | None = None) -> None:
        self.configuration = configuration or Configuration()
        self.cache = Cache(self.configuration)
        self.nodes: dict[str, kube.Node] = {}
        self.pods: dict[str, kube.Pod] = {}
        self.queues: dict[Identity, Queue] = {}
        self.groups: dict[Identity, PodGroup] = {}
        self.invalid: dict[Identity, str] = {}
        self.namespaces: dict[str, kube.Namespace] = {}
        self.classes: dict[str, kube.PriorityClass] = {}
        self.claims: dict[str, kube.PersistentVolumeClaim] = {}
        self.volumes: dict[str, kube.PersistentVolume] = {}
        self.assumed: dict[str, Bind] = {}

    def put(self, *objects: object) -> None:
        """Create or change objects, told to the cache in this order."""
        for obj in objects:
            match obj:
                case kube.Node():
                    self.nodes[obj.metadata.name] = obj
                    self.cache.apply_node(obj)
                case kube.Pod():
                    self.pods[obj.metadata.uid] = obj
                    self.cache.apply_pod(obj)
                    if obj.spec.node_name or obj.metadata.deletion_timestamp or obj.status.phase != "Pending":
                        self.assumed.pop(obj.metadata.uid, None)
                case kube.Namespace():
                    self.namespaces[obj.metadata.name] = obj
                    self.cache.apply_namespace(obj)
                case kube.PriorityClass():
                    self.classes[obj.metadata.name] = obj
                    self.cache.apply_priority_class(obj)
                case kube.PersistentVolumeClaim():
                    self.claims[obj.metadata.name] = obj
                    self.cache.apply_claim(obj)
                case kube.PersistentVolume():
                    self.volumes[obj.metadata.name] = obj
                    self.cache.apply_volume(obj)
                case _:
                    self._put_custom(obj)

    def _put_custom(self, obj: Any) -> None:
        if hasattr(obj.spec, "min_member"):
            self.groups[obj.identity] = obj
            self.invalid.pop(obj.identity, None)
            self.cache.apply_pod_group(obj)
        else:
            self.queues[obj.identity] = obj
            self.cache.apply_queue(obj)

    def spoil(self, identity: Identity) -> None:
        """A PodGroup becomes undecodable: as the reflector, tell so and then take the old version away."""
        self.invalid[identity] = f"spec: {identity.name} is wrong"
        self.cache.invalid(identity, self.invalid[identity])
        if (old := self.groups.pop(identity, None)) is not None:
            self.cache.remove_pod_group(old)

    def drop_pod(self, uid: str) -> None:
        self.assumed.pop(uid, None)
        self.cache.remove_pod(self.pods.pop(uid))

    def drop_node(self, name: str) -> None:
        self.cache.remove_node(self.nodes.pop(name))

    def drop_queue(self, identity: Identity) -> None:
        self.cache.remove_queue(self.queues.pop(identity))

    def drop_group(self, identity: Identity) -> None:
        self.cache.remove_pod_group(self.groups.pop(identity))

    def drop_namespace(self, name: str) -> None:
        self.cache.remove_namespace(self.namespaces.pop(name))

    def drop_class(self, name: str) -> None:
        self.cache.remove_priority_class(self.classes.pop(name))

    def drop_claim(self, name: str) -> None:
        self.cache.remove_claim(self.claims.pop(name))

    def drop_volume(self, name: str) -> None:
        self.cache.remove_volume(self.volumes.pop(name))

    def assume(self, bind: Bind) -> None:
        self.assumed[bind.uid] = bind
        self.cache.assume(bind)

    def forget(self, uid: str) -> None:
        del self.assumed[uid]
        self.cache.forget(uid)

    def confirm(self, uid: str, phase: str = "Pending") -> None:
        """The watch shows the pod bound as it was assumed."""
        bind, pod = self.assumed[uid], self.pods[uid]
        annotations = {**(pod.metadata.annotations or {}), **bind.annotations}
        replace = msgspec.structs.replace
        self.put(
            replace(
                pod,
                metadata=replace(pod.metadata, annotations=annotations),
                spec=replace(pod.spec, node_name=bind.node),
                status=replace(pod.status, phase=phase),
            )
        )

    def schedule(self, profile: Profile | None = None, *, assume: bool = True) -> Decisions:
        """One cycle; its binds are assumed, as the edge does."""
        snapshot, ledger = self.cache.snapshot(NOW)
        decisions, _ = schedule(snapshot, ledger, profile or Profile())
        if assume:
            for gang in decisions.gangs:
                for bind in gang.binds:
                    self.assume(bind)
        return decisions

    def objects(self) -> Objects:
        return Objects(
            nodes=tuple(self.nodes.values()),
            pods=tuple(self.pods.values()),
            queues=tuple(self.queues.values()),
            pod_groups=tuple(self.groups.values()),
            invalid=dict(self.invalid),
            namespaces=tuple(self.namespaces.values()),
            priority_classes=tuple(self.classes.values()),
            claims=tuple(self.claims.values()),
            volumes=tuple(self.volumes.values()),
        )

    def build(self) -> tuple[Snapshot, Ledger]:
        return build(self.objects(), self.assumed.values(), self.configuration, NOW)


def canonical(snapshot: Snapshot, ledger: Ledger) -> dict[str, object]:
    """Snapshot and ledger keyed by names, without row numbers, unused rows and columns that say nothing."""
    names = {
        "node": [facts.name if facts else None for facts in snapshot.nodes],
        "queue": [queue.identity if queue else None for queue in snapshot.queues],
        "gang": [facts and (facts.dialect, facts.namespace, facts.name, facts.lone) for facts in snapshot.gangs],
        "task": [facts and facts.uid for facts in snapshot.tasks],
    }
    facts = snapshot.facts
    subgroup_names = {row: name for gang in snapshot.gangs if gang for name, row in gang.subgroups}

    def amounts(row: Any, empty: int = 0) -> dict[str, int]:
        return {name: int(x) for name, x in zip(snapshot.resources, row, strict=True) if x != empty}

    def devices(row: Any, node: int) -> list[list[int]]:
        return row[: len(snapshot.cards[node])].tolist()

    def nth(axis: str, row: int) -> object:
        return names[axis][row] if row >= 0 else None

    ranked = sorted((rank, name) for rank, name in zip(facts.nodes.rank, names["node"], strict=True) if name)
    queue_ranks = sorted((facts.queues.rank[row], names["queue"][row]) for row in facts.queues.order.tolist())
    return {
        "nodes": {
            name: {
                "facts": snapshot.nodes[row],
                "cards": snapshot.cards[row],
                "live": bool(facts.nodes.live[row]),
                "allocatable": amounts(facts.nodes.allocatable[row]),
                "idle": amounts(ledger.node_idle[row]),
                "releasing": amounts(ledger.node_releasing[row]),
                "device_total": devices(facts.devices.total[row], row),
                "device_free": devices(ledger.device_free[row], row),
                "device_releasing": devices(ledger.device_releasing[row], row),
            }
            for row, name in enumerate(names["node"])
            if name
        },
        "node order": [name for _, name in ranked],
        "queues": {
            names["queue"][row]: {
                "spec": getattr(snapshot.queues[row], "spec", None),
                "parent": nth("queue", int(facts.queues.parent[row])),
                "obstacle": int(facts.queues.obstacle[row]),
                "weight": int(facts.queues.weight[row]),
                "priority": int(facts.queues.priority[row]),
                "capability": amounts(facts.queues.capability[row], UNLIMITED),
                "deserved": amounts(facts.queues.deserved[row], _ungoverned(snapshot, row)),
                "guarantee": amounts(facts.queues.guarantee[row]),
                "planned": amounts(ledger.queue_planned[row]),
                "held": amounts(ledger.queue_held[row]),
            }
            for row in facts.queues.order.tolist()
        },
        "queue order": [name for _, name in queue_ranks],
        "gangs": {
            name: {
                "facts": (told.pod_group, told.queue, told.problem),
                "live": bool(facts.gangs.live[row]),
                "queue": nth("queue", int(facts.gangs.queue[row])),
                "priority": int(facts.gangs.priority[row]),
                "created": int(facts.gangs.created_s[row]),
                "admitted": bool(facts.gangs.admitted[row]),
                "min_request": amounts(facts.gangs.min_request[row]),
                "min_charge": amounts(facts.gangs.min_charge[row]),
                "obstacle": int(facts.gangs.obstacle[row]),
                "written": facts.gangs.written[row].tolist(),
                "tasks": sorted(str(names["task"][task]) for task in snapshot.gang_tasks[row]),
                "minimum": int(facts.subgroups.min_member[facts.gangs.root[row]]),
                "subgroups": [
                    (
                        subgroup,
                        subgroup_names.get(int(facts.subgroups.parent[below])),
                        int(facts.subgroups.min_member[below]),
                        int(facts.subgroups.gang[below]) == row,
                    )
                    for subgroup, below in told.subgroups
                ],
            }
            for row, (name, told) in enumerate(zip(names["gang"], snapshot.gangs, strict=True))
            if told
        },
        "tasks": {
            name: {
                "facts": snapshot.tasks[row],
                "gang": nth("gang", int(facts.tasks.gang[row])),
                "subgroup": subgroup_names.get(int(facts.tasks.subgroup[row])),
                "obstacle": int(facts.tasks.obstacle[row]),
                "state": TaskState(int(ledger.task_state[row])),
                "node": nth("node", int(ledger.task_node[row])),
                "devices": [int(place) for place in ledger.task_devices[row] if place >= 0],
                "class": _class_of(snapshot, int(facts.tasks.of_class[row]), amounts),
            }
            for row, name in enumerate(names["task"])
            if name
        },
        "total": amounts(snapshot.total),
        "smallest": facts.devices.smallest_memory,
    }


def _ungoverned(snapshot: Snapshot, row: int) -> int:
    """What stands in a column of deserved that the queue does not name."""
    queue = snapshot.queues[row]
    return UNLIMITED if queue is not None and queue.spec.deserved is not None else 0


def _class_of(snapshot: Snapshot, kind: int, amounts: Any) -> Mapping[str, object]:
    classes = snapshot.facts.classes
    asked = [
        (ask.tolist(), int(container))
        for ask, container in zip(classes.asks[kind], classes.ask_container[kind], strict=True)
        if ask[0]
    ]
    return {
        "request": amounts(classes.request[kind]),
        "charge": amounts(classes.charge[kind]),
        "constraints": snapshot.constraint_sets[classes.constraint_set[kind]],
        "asks": asked,
    }


def decided(decisions: Decisions) -> dict[str, object]:
    """Decisions keyed by names, in no order."""
    return {
        "gangs": {gang.gang: gang._replace(binds=tuple(sorted(gang.binds, key=str))) for gang in decisions.gangs},
        "queues": {queue.queue: queue.status for queue in decisions.queues},
    }
