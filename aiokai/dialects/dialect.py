"""The door through which every system's objects come in, and our answers go out.

The core knows one model. A dialect is a value that says where a system's objects are served, how they read as ours, how
what we write reads as theirs, and by which keys its pods name their gang and queue.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from aiokai.model.base import Custom, Envelope, SpecT, StatusT
from aiokai.model.job import JobSpec, JobStatus
from aiokai.model.pod_group import PodGroupSpec, PodGroupStatus
from aiokai.model.queue import QueueSpec, QueueStatus
from aiokai.model.resource import Resource


@dataclass(frozen=True, slots=True)
class PodKeys:
    """Annotations or labels of a pod; where both are there the annotation counts.

    Attributes:
        queue: also of an owner or namespace: the queue that pays.
        pod_group: the PodGroup in its namespace that it belongs to.
        job: of a Job's pods and all that is made for them: the Job.
        task: of a Job's pod: the task it is one of.
        task_index: of a Job's pod: which one of its task it is.
        subgroup: the subgroup of its PodGroup.
        min_member: of an owner or pod: how many make the gang whole.
        preemptibility: of an owner or pod, as the field of the same name.
    """

    queue: str
    pod_group: str
    job: str
    task: str
    task_index: str
    subgroup: str
    min_member: str
    preemptibility: str


@dataclass(frozen=True, slots=True)
class DialectKind(Generic[SpecT, StatusT]):
    """One kind of a dialect.

    Attributes:
        resource: where it is served.
        decode: reads an object as ours; raises InvalidObjectError with path and reason.
        encode_spec: writes our spec as the dialect's.
        encode_status: writes our status as the dialect's, whole; `merge_patch` finds what differs.
    """

    resource: Resource
    decode: Callable[[bytes | Envelope], Custom[SpecT, StatusT]]
    encode_spec: Callable[[SpecT], dict[str, Any]]
    encode_status: Callable[[StatusT], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One system's way to say what aiokai knows."""

    name: str
    keys: PodKeys
    queue: DialectKind[QueueSpec, QueueStatus]
    pod_group: DialectKind[PodGroupSpec, PodGroupStatus]
    job: DialectKind[JobSpec, JobStatus]

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Every kind of the dialect, queues first."""
        return (self.queue.resource, self.pod_group.resource, self.job.resource)
