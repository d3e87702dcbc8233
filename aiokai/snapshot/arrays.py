"""The cluster as arrays: `Snapshot` holds the facts of one cycle, `Ledger` the numbers that it changes.

Axes: R resources, N nodes, M devices of a node, Q queues, G gangs, P subgroups, T tasks, C classes (tasks that are
equal to every filter and ask for the same), K constraint sets, A devices that one task asks for. One record, one axis.

Base units, int64: mCPU, bytes, pods, milli-units of everything countable (one GPU is 1000); device memory in units of
`devices.vgpu.memoryUnit`, device cores in per cent. `UNLIMITED` stands for no bound. Rows are stable handles that mean
nothing, and a row may be unused (`live` False): ties are broken by the `rank` arrays.

Facts are read-only arrays, which numba checks when it compiles a kernel; only kernels of a Statement write a Ledger.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiokai.devices.vgpu import Ask, Card
from aiokai.model.pod_group import PodGroup
from aiokai.model.queue import Queue

I8 = NDArray[np.int8]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

CPU: Final = "cpu"
MEMORY: Final = "memory"
PODS: Final = "pods"
GPU: Final = "nvidia.com/gpu"
FIRST_RESOURCES: Final = (CPU, MEMORY, PODS, GPU)
"""Columns 0 to 3 of every R axis. In a quota, GPU is what every way to ask for a GPU is charged in."""
GPU_COLUMN: Final = 3

SLOTS, DEVICE_MEMORY, CORES = 0, 1, 2
"""The last axis of device arrays: how many may share it, its memory, its cores."""


class TaskState(IntEnum):
    """Where a task stands. ALLOCATED and PIPELINED are decided by this cycle, the rest is found."""

    PENDING = 0
    ALLOCATED = 1
    PIPELINED = 2
    BOUND = 3
    RUNNING = 4
    RELEASING = 5
    SUCCEEDED = 6
    FAILED = 7


class Nodes(NamedTuple):
    allocatable: I64  # [N, R]
    rank: I32  # [N] natural order of names
    live: Bool  # [N]


class Devices(NamedTuple):
    """Cards that several tasks may share. A node without them has `total` 0 in every place."""

    total: I64  # [N, M, 3] slots, memory, cores
    smallest_memory: int  # of any card; 0 when nobody registers shared devices


class Queues(NamedTuple):
    parent: I32  # [Q] -1 for a top queue
    weight: I64  # [Q]
    priority: I32  # [Q]
    rank: I32  # [Q] creation, name
    capability: I64  # [Q, R] UNLIMITED where not named
    deserved: I64  # [Q, R] UNLIMITED where not governed
    guarantee: I64  # [Q, R]
    order: I32  # [Q'] live rows, parents before children
    obstacle: I32  # [Q] the Reason why it starts nothing new, 0 without one


class Gangs(NamedTuple):
    live: Bool  # [G]
    grouped: Bool  # [G] it has a PodGroup that can be written to
    queue: I32  # [G] -1 when it does not exist
    priority: I32  # [G]
    created_s: I64  # [G]
    admitted: Bool  # [G] its pods may exist
    min_request: I64  # [G, R] what its minimum needs of nodes, known before its pods exist
    min_charge: I64  # [G, R] the same as its queue is charged for it
    root: I32  # [G] its top subgroup
    obstacle: I32  # [G] a Reason that no node can cure, 0 without one
    written: I32  # [G, 5] phase, pending, running, succeeded, failed as its PodGroup's status says; -1 unknown phase


class Subgroups(NamedTuple):
    """A tree per gang. A root's minimum counts the tasks of all below it."""

    gang: I32  # [P]
    parent: I32  # [P] -1 for a root
    min_member: I32  # [P]


class Tasks(NamedTuple):
    gang: I32  # [T] -1 in an unused row
    subgroup: I32  # [T]
    of_class: I32  # [T]
    obstacle: I32  # [T] a Reason that no node can cure, 0 without one


class Classes(NamedTuple):
    request: I64  # [C, R] what a node must have
    charge: I64  # [C, R] what the queue is charged; shared devices by the smallest card
    constraint_set: I32  # [C]
    asks: I64  # [C, A, 3] slots (1, or 0 past the last ask), memory (negative: per cent of the card), cores
    ask_container: I32  # [C, A] devices of one container differ


class Facts(NamedTuple):
    """All that kernels read."""

    nodes: Nodes
    devices: Devices
    queues: Queues
    gangs: Gangs
    subgroups: Subgroups
    tasks: Tasks
    classes: Classes


class Ledger(NamedTuple):
    """What a cycle changes. Only a Statement's kernels write here."""

    node_idle: I64  # [N, R] free now
    node_releasing: I64  # [N, R] being freed, less what is pipelined onto it
    device_free: I64  # [N, M, 3]
    device_releasing: I64  # [N, M, 3]
    queue_planned: I64  # [Q, R] running, bound and pipelined, not releasing; includes all below
    queue_held: I64  # [Q, R] on nodes now, releasing included; includes all below
    task_state: I8  # [T] TaskState
    task_node: I32  # [T] -1 on none
    task_devices: I32  # [T, A] index on the node, -1 none


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What static filters read of one node, and people call it."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[tuple[str, str, str], ...]  # key, value, effect
    unschedulable: bool
    ready: bool


@dataclass(frozen=True, slots=True)
class ConstraintSet:
    """What static filters read of a pod: equal sets share one row of answers."""

    node_selector: tuple[tuple[str, str], ...] = ()
    required: tuple["Term", ...] | None = None  # any of these; None: no node affinity
    preferred: tuple[tuple[int, "Term"], ...] = ()
    tolerations: tuple[tuple[str, str, str, str], ...] = ()  # key, operator, value, effect
    volumes: tuple[tuple["Term", ...], ...] = ()  # of each volume that is not everywhere: any of these


@dataclass(frozen=True, slots=True)
class Term:
    """One node selector term: all requirements hold. Each is (key, operator, values)."""

    labels: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    fields: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class GangFacts:
    """Who a gang is: its PodGroup, or the lone pod's name."""

    dialect: str
    namespace: str
    name: str
    lone: bool
    pod_group: PodGroup | None
    queue: str
    problem: str = ""  # what the obstacle is about
    subgroups: tuple[tuple[str, int], ...] = ()  # name and row of each below the root


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """Who a task is; `problem` says what its obstacle is about."""

    uid: str
    namespace: str
    name: str
    order: tuple[int, tuple[tuple[int, int | str], ...], str]  # sorts the tasks of a gang: priority, name, uid
    problem: str
    containers: int  # init containers included, for annotations that count them
    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one cycle reads. Rows of the tuples are rows of the arrays; None where a row is unused."""

    now: datetime
    resources: tuple[str, ...]
    facts: Facts
    nodes: tuple[NodeFacts | None, ...]
    cards: tuple[tuple[Card, ...], ...]  # of each node, as registered
    queues: tuple[Queue | None, ...]
    gangs: tuple[GangFacts | None, ...]
    gang_tasks: tuple[tuple[int, ...], ...]  # task rows of each gang, in no order
    tasks: tuple[TaskFacts | None, ...]
    constraint_sets: tuple[ConstraintSet | None, ...]
    total: I64  # [R] what all live nodes have, less what pods of other schedulers use
    version: int  # of the cache when it was taken


def read_only(*arrays: NDArray[np.generic]) -> None:
    """Forbid writes, which kernels notice when they are compiled."""
    for array in arrays:
        array.flags.writeable = False
