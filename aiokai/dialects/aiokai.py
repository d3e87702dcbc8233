"""The native dialect: objects of group `aiokai.io`, which are the model itself."""

from functools import partial

from aiokai.dialects.dialect import Dialect, DialectKind, PodKeys
from aiokai.dialects.encoding import encode_model
from aiokai.model import keys
from aiokai.model.base import Envelope, decode_custom, decode_status
from aiokai.model.job import Job, JobSpec, JobStatus, check_job
from aiokai.model.pod_group import PodGroup, PodGroupSpec, PodGroupStatus
from aiokai.model.queue import Queue, QueueSpec, QueueStatus, check_queue
from aiokai.model.resource import Resource

NAME = "aiokai"


def _decode_queue(raw: bytes | Envelope) -> Queue:
    queue = decode_custom(raw, NAME, QueueSpec, QueueStatus)
    check_queue(queue)
    return queue


def _decode_pod_group(raw: bytes | Envelope) -> PodGroup:
    return decode_custom(raw, NAME, PodGroupSpec, PodGroupStatus)


def _decode_job(raw: bytes | Envelope) -> Job:
    job = decode_custom(raw, NAME, JobSpec, JobStatus)
    check_job(job)
    return job


def _resource(kind: str, plural: str, *, namespaced: bool = True) -> Resource:
    return Resource(keys.GROUP, keys.VERSION, plural, kind, namespaced)


AIOKAI = Dialect(
    name=NAME,
    scheduler_name=keys.SCHEDULER_NAME,
    keys=PodKeys(
        queue=keys.QUEUE,
        pod_group=keys.POD_GROUP,
        job=keys.JOB,
        task=keys.TASK,
        task_index=keys.TASK_INDEX,
        subgroup=keys.SUBGROUP,
        min_member=keys.MIN_MEMBER,
        preemptibility=keys.PREEMPTIBILITY,
    ),
    queue=DialectKind(
        _resource("Queue", "queues", namespaced=False),
        _decode_queue,
        encode_model,
        encode_model,
        partial(decode_status, QueueStatus),
    ),
    pod_group=DialectKind(
        _resource("PodGroup", "podgroups"),
        _decode_pod_group,
        encode_model,
        encode_model,
        partial(decode_status, PodGroupStatus),
    ),
    job=DialectKind(
        _resource("Job", "jobs"), _decode_job, encode_model, encode_model, partial(decode_status, JobStatus)
    ),
)
