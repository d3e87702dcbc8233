"""The door through which every system's objects come in, and our answers go out.

The core knows one model. A dialect is a value that says where a system's objects are served, how they read as ours, how
what we write reads as theirs, and by which keys its pods name their gang and queue.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple

from aiokai.model.base import Custom, Envelope, SpecT, StatusT
from aiokai.model.job import Job, JobSpec, JobStatus, TaskSpec
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
        subgroup: the subgroup of its PodGroup; empty: the system has no such key.
        min_member: of an owner or pod: how many make the gang whole.
        preemptibility: of an owner or pod, as the field of the same name.
        queue_aliases: keys that are read where `queue` is absent.
        pod_group_aliases: the same for `pod_group`.
    """

    queue: str
    pod_group: str
    job: str
    task: str
    task_index: str
    subgroup: str
    min_member: str
    preemptibility: str
    queue_aliases: tuple[str, ...] = ()
    pod_group_aliases: tuple[str, ...] = ()


class PodMarks(NamedTuple):
    """What a dialect's tools look for on a Job's pods, beyond what its `PodKeys` say."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def no_marks(_job: Job, _task: TaskSpec, _index: int, _queue: str) -> PodMarks:
    return PodMarks({}, {})


@dataclass(frozen=True, slots=True)
class DialectKind(Generic[SpecT, StatusT]):
    """One kind of a dialect.

    Attributes:
        resource: where it is served.
        decode: reads an object as ours; raises InvalidObjectError with path and reason.
        encode_spec: writes our spec as the dialect's.
        encode_status: writes our status as the dialect's, whole; `merge_patch` finds what differs.
        decode_status: reads a status as ours; one that cannot be read counts as empty.
        status_subresource: the status is written at `/status`, not with the object.
    """

    resource: Resource
    decode: Callable[[bytes | Envelope], Custom[SpecT, StatusT]]
    encode_spec: Callable[[SpecT], dict[str, Any]]
    encode_status: Callable[[StatusT], dict[str, Any]]
    decode_status: Callable[[Mapping[str, Any]], StatusT]
    status_subresource: bool = True

    @property
    def status_path(self) -> str:
        """The subresource that takes the status; none: the object itself."""
        return "status" if self.status_subresource else ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One system's way to say what aiokai knows.

    Attributes:
        scheduler_name: what the system's own scheduler is called; a Job that names none means this one.
        pod_marks: of one pod of a Job, given its task, index and queue.
    """

    name: str
    scheduler_name: str
    keys: PodKeys
    queue: DialectKind[QueueSpec, QueueStatus]
    pod_group: DialectKind[PodGroupSpec, PodGroupStatus]
    job: DialectKind[JobSpec, JobStatus]
    pod_marks: Callable[[Job, TaskSpec, int, str], PodMarks] = no_marks

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Every kind of the dialect, queues first."""
        return (self.queue.resource, self.pod_group.resource, self.job.resource)
