"""Small computations that the incremental cache and its plain twin share, so that they cannot drift apart."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np

from aiokai.devices.vgpu import Ask, Card, Grant, charge_of_amounts, charge_of_asks
from aiokai.devices.whole import whole_gpus
from aiokai.dialects import AIOKAI, DIALECTS, owns_unnamed
from aiokai.model.base import Identity
from aiokai.model.configuration import Configuration, VgpuNames
from aiokai.model.keys import CONTENT
from aiokai.model.kube import PriorityClass
from aiokai.model.pod_group import GangKey, GangPhase, PodGroup, PodGroupSpec
from aiokai.model.quantity import UNLIMITED, quantity_to_base
from aiokai.model.queue import Queue, QueueSpec
from aiokai.model.reasons import Reason
from aiokai.snapshot.arrays import GPU, GPU_COLUMN, I32, I64, SLOTS, Queues
from aiokai.snapshot.reading import Amount, PodReading, natural_order

PHASE_CODES = {str(phase): code for code, phase in enumerate(GangPhase)}
"""GangPhase by its text as a number in arrays; anything else is -1."""
_INHERITED = (Reason.QUEUE_CLOSED, Reason.QUEUE_ORPHAN, Reason.UNSUPPORTED_CONSTRAINT)
UNWRITTEN = (-1, 0, 0, 0, 0)


def vector(amounts: Iterable[Amount], columns: Mapping[str, int], width: int, empty: int = 0) -> I64:
    """Amounts as a row [R]; `empty` in the columns that are not named."""
    row = np.full(width, empty, np.int64)
    for name, amount in amounts:
        row[columns[name]] = amount
    return row


def base_amounts(amounts: Mapping[str, str] | None) -> dict[str, int]:
    """Validated quantities in base units."""
    return {name: quantity_to_base(name, text) for name, text in (amounts or {}).items()}


def charge_of(request: Sequence[Amount], asks: Sequence[Ask], smallest_memory: int) -> dict[str, int]:
    """What a queue is charged for a task whose cards are not known: its request, and every way to a GPU as GPU."""
    charge = dict(request)
    gpu = whole_gpus(charge) + (charge_of_asks(asks, smallest_memory) if asks else 0)
    if gpu:
        charge[GPU] = gpu
    return charge


def charge_of_minimum(amounts: Mapping[str, int], names: VgpuNames, smallest_memory: int) -> dict[str, int]:
    """The same for the minResources of a gang whose pods do not exist yet."""
    gpu = whole_gpus(amounts) + charge_of_amounts(amounts, names, smallest_memory)
    return {**amounts, GPU: gpu} if gpu else dict(amounts)


def names_its_cards(asks: Sequence[Ask], grants: Sequence[Grant]) -> bool:
    """True if a pod says which cards it was given for all that it asked for; else it may hold any of its node."""
    return len(grants) >= len(asks)


def charge_of_grants(grants: Sequence[Grant], cards: Sequence[Card], places: Sequence[int]) -> int:
    """Milli-GPUs of the cards given: each the larger of its memory and cores share."""
    return sum(
        max(-(-1000 * grant.memory // cards[place].memory) if cards[place].memory else 1000, grant.cores * 10)
        for grant, place in zip(grants, places, strict=True)
        if place >= 0
    )


def seconds_of(moment: datetime | None) -> int:
    return int(moment.timestamp()) if moment is not None else 0


def ranks(names: Sequence[str | None]) -> I32:
    """[N] the place of each name in natural order; unused rows come last."""
    rows = sorted(range(len(names)), key=lambda row: (names[row] is None, natural_order(names[row] or "")))
    rank = np.empty(len(names), np.int32)
    rank[rows] = np.arange(len(names), dtype=np.int32)
    return rank


def written_status(pod_group: PodGroup | None) -> tuple[int, int, int, int, int]:
    """Phase code and counts that a PodGroup's status shows now."""
    if pod_group is None:
        return UNWRITTEN
    status = pod_group.status
    return (PHASE_CODES.get(status.phase, -1), status.pending, status.running, status.succeeded, status.failed)


def is_ours(key: GangKey, group: PodGroup | None, has_pods: bool, configuration: Configuration) -> bool:
    """Whether a gang is ours to admit and to write to. `has_pods`: some of its pods are ours.

    A PodGroup names no scheduler: its pods do, which may not exist yet. Until then it is ours if our Job controller
    made it, another's Job's PodGroup is not, and the rest belongs to whoever owns what names no scheduler.
    """
    if has_pods:
        return True
    if group is not None and key.dialect in configuration.owned_dialects:
        if CONTENT in (group.metadata.annotations or {}):
            return True
        owner, job = group.metadata.controller, DIALECTS[key.dialect].job.resource
        if owner is not None and (owner.api_version, owner.kind) == (job.api_version, job.kind):
            return False
    return owns_unnamed(configuration, key.dialect)


def is_admitted(pod_group: PodGroup | None) -> bool:
    """A gang with a PodGroup waits until its phase says more than Pending; a lone pod exists already."""
    return pod_group is None or pod_group.status.phase not in ("", GangPhase.PENDING)


def subgroups_of(spec: PodGroupSpec | None) -> list[tuple[str, str | None, int]]:
    """Name, parent and minimum of each subgroup below the root, parents first; a task with a minimum is one too."""
    if spec is None:
        return []
    if not spec.sub_groups:
        return [(name, None, minimum) for name, minimum in (spec.min_task_member or {}).items()]
    waiting, placed = list(spec.sub_groups), set[str]()
    ordered: list[tuple[str, str | None, int]] = []
    while waiting:
        ready = [group for group in waiting if group.parent is None or group.parent in placed]
        ordered += [(group.name, group.parent, group.min_member) for group in ready]
        placed |= {group.name for group in ready}
        waiting = [group for group in waiting if group.name not in placed]
    return ordered


def speaker_of(pods: Iterable[PodReading]) -> PodReading | None:
    """The pod that speaks for a gang without PodGroup: the youngest, if a name is used again before the old is gone."""
    return max(pods, key=lambda pod: (seconds_of(pod.created), pod.uid), default=None)


def priority_of(group: PodGroup | None, pod: PodReading | None, classes: Iterable[PriorityClass]) -> int:
    """A gang's priority: its PodGroup's class, else the global default (the lowest of several); a lone pod's own."""
    if group is None:
        return pod.priority if pod is not None else 0
    if name := group.spec.priority_class_name:
        return next((found.value for found in classes if found.metadata.name == name), 0)
    return min((found.value for found in classes if found.global_default), default=0)


def gang_obstacle(
    key: GangKey, group: PodGroup | None, error: str | None, queue: int, named: str
) -> tuple[Reason, str]:
    """What keeps a gang from starting wherever there is room, and what that is about; `queue` -1: there is none."""
    if error is not None:
        return Reason.INVALID, error
    if group is None and not key.lone:
        return Reason.POD_GROUP_NOT_FOUND, key.name
    if queue < 0:
        return Reason.QUEUE_NOT_FOUND, named
    unsupported = unsupported_field(group.spec) if group is not None else None
    return (Reason.UNSUPPORTED_CONSTRAINT, unsupported) if unsupported else (Reason.NONE, "")


def unsupported_field(spec: PodGroupSpec) -> str | None:
    """The first field whose constraint aiokai does not keep yet: such a gang waits, it is never bound against it."""
    if spec.topology is not None and spec.topology.required:
        return "spec.topology.required"
    for i, group in enumerate(spec.sub_groups):
        if group.min_sub_group is not None:
            return f"spec.subGroups[{i}].minSubGroup"
        if group.topology is not None and group.topology.required:
            return f"spec.subGroups[{i}].topology.required"
    return None


def needs_node_groups(spec: QueueSpec) -> bool:
    """True if gangs of the queue may use only some nodes, which aiokai does not keep yet."""
    terms = (spec.affinity.node_group_affinity, spec.affinity.node_group_anti_affinity) if spec.affinity else ()
    return any(term is not None and term.required for term in terms)


def referred_queues(dialect: str, name: str) -> tuple[Identity, Identity]:
    """Where a queue of this name is looked for: in the referrer's own dialect first, then in the native one."""
    return Identity(dialect, "", name), Identity(AIOKAI.name, "", name)


def queue_arrays(queues: Sequence[Queue | None], columns: Mapping[str, int], width: int) -> Queues:
    """The queue tree as arrays [Q, R]. A queue whose parent is missing, or its own ancestor, is an orphan."""
    size = len(queues)
    row_of: dict[Identity, int] = {queue.identity: row for row, queue in enumerate(queues) if queue is not None}
    parent, obstacle = np.full(size, -1, np.int32), np.zeros(size, np.int32)
    weight, priority = np.ones(size, np.int64), np.zeros(size, np.int32)
    capability = np.full((size, width), UNLIMITED, np.int64)
    deserved, guarantee = np.zeros((size, width), np.int64), np.zeros((size, width), np.int64)
    for row, queue in enumerate(queues):
        if queue is None:
            continue
        spec = queue.spec
        weight[row], priority[row] = spec.weight, spec.priority
        capability[row] = vector(base_amounts(spec.capability).items(), columns, width, UNLIMITED)
        if spec.deserved is not None:
            deserved[row] = vector(base_amounts(spec.deserved).items(), columns, width, UNLIMITED)
        guarantee[row] = vector(base_amounts(spec.guarantee).items(), columns, width)
        if needs_node_groups(spec):
            obstacle[row] = Reason.UNSUPPORTED_CONSTRAINT
        if spec.state == "Closed":
            obstacle[row] = Reason.QUEUE_CLOSED
        if spec.parent is not None:
            parent[row] = row_of.get(Identity(queue.dialect, "", spec.parent), -1)
            if parent[row] < 0:
                obstacle[row] = Reason.QUEUE_ORPHAN
    order = _parents_first(row_of.values(), parent)
    for row in set(row_of.values()) - set(order):
        obstacle[row], parent[row] = Reason.QUEUE_ORPHAN, -1
        order.append(row)
    for row in order:
        above = int(parent[row])
        if above >= 0 and obstacle[row] == 0 and obstacle[above] in _INHERITED:
            obstacle[row] = obstacle[above]
    for row in {int(above) for above in parent if above >= 0}:
        if obstacle[row] == 0:
            obstacle[row] = Reason.QUEUE_NOT_LEAF
    age = sorted(row_of.values(), key=lambda row: _queue_age(queues[row]))
    rank = np.full(size, size, np.int32)
    rank[age] = np.arange(len(age), dtype=np.int32)
    return Queues(parent, weight, priority, rank, capability, deserved, guarantee, np.array(order, np.int32), obstacle)


def _queue_age(queue: Queue | None) -> tuple[int, str, str]:
    assert queue is not None
    return seconds_of(queue.metadata.creation_timestamp), queue.metadata.name, queue.dialect


def _parents_first(rows: Iterable[int], parent: I32) -> list[int]:
    """Rows reached from a top queue, each after its parent, in the order of row numbers."""
    children: dict[int, list[int]] = {}
    for row in sorted(rows):
        children.setdefault(int(parent[row]), []).append(row)
    order, level = [], children.get(-1, [])
    while level:
        order += level
        level = [child for row in level for child in children.get(row, [])]
    return order


def cluster_total(allocatable: I64, devices: I64) -> I64:
    """[R] what all nodes have; a card that is shared is a GPU too."""
    total: I64 = allocatable.sum(axis=0)
    total[GPU_COLUMN] += 1000 * np.count_nonzero(devices[:, :, SLOTS])
    return total


def roll_up(own: I64, queues: Queues) -> I64:
    """[Q, R] each queue's own sums and those of all below it."""
    total = own.copy()
    for row in queues.order[::-1]:
        if queues.parent[row] >= 0:
            total[queues.parent[row]] += total[row]
    return total
