"""The native dialect: objects of group `aiokai.io`, which are the model itself."""

from typing import Any

from pydantic import BaseModel

from aiokai.dialects.dialect import Dialect, DialectKind, PodKeys
from aiokai.model import keys
from aiokai.model.base import Envelope, decode_custom
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


def _encode(part: BaseModel) -> dict[str, Any]:
    """A spec or status as JSON: no nulls and nothing empty, but zeros and False, which say something."""
    return {
        name: value for name, old in part.model_dump(mode="json", by_alias=True).items() if _says(value := _lean(old))
    }


def _lean(value: object) -> object:
    if isinstance(value, dict):
        return {name: lean for name, old in value.items() if _says(lean := _lean(old))}
    if isinstance(value, list):
        return [_lean(item) for item in value]
    return value


def _says(value: object) -> bool:
    return value is not None and value not in ("", [], {})


def _resource(kind: str, plural: str, *, namespaced: bool = True) -> Resource:
    return Resource(keys.GROUP, keys.VERSION, plural, kind, namespaced)


AIOKAI = Dialect(
    name=NAME,
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
    queue=DialectKind(_resource("Queue", "queues", namespaced=False), _decode_queue, _encode, _encode),
    pod_group=DialectKind(_resource("PodGroup", "podgroups"), _decode_pod_group, _encode, _encode),
    job=DialectKind(_resource("Job", "jobs"), _decode_job, _encode, _encode),
)
