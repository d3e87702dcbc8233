"""A Job's pods: from the template in the Job to the pod that is created, and what all of them need together."""

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from aiokai.controllers.jobplugins import PodPlace, change_pod
from aiokai.devices.vgpu_request import rewrite_vgpu
from aiokai.dialects import Dialect
from aiokai.errors import InvalidObjectError
from aiokai.model.configuration import Configuration
from aiokai.model.job import Job, TaskSpec
from aiokai.model.kube import Pod
from aiokai.model.quantity import UNLIMITED, base_to_quantity
from aiokai.model.resource import PODS, Resource
from aiokai.snapshot.reading import request_of

Json = dict[str, Any]

DRY_RUN_INDEX: Final = "dry-run"
"""Takes the place of the index in the name of a pod that is only tried."""


def pod_group_name(job: Job) -> str:
    return f"{job.metadata.name}-{job.metadata.uid}"


def pod_name(job: Job, task: TaskSpec, index: int | str) -> str:
    return f"{job.metadata.name}-{task.name}-{index}"


def make_pod(job: Job, task: TaskSpec, index: int, dialect: Dialect, configuration: Configuration) -> Json:
    """The pod that is created for one place of a task.

    Raises:
        InvalidObjectError: the template asks for something that cannot be written as a pod.
    """
    keys, template = dialect.keys, deepcopy(task.template)
    path = f"spec.tasks[{job.spec.tasks.index(task)}].template"
    metadata, spec = template.get("metadata") or {}, template["spec"]
    place = {keys.task: task.name, keys.task_index: str(index)}
    annotations = place | {keys.pod_group: pod_group_name(job)}
    queue = queue_of(job, dialect)
    if queue:
        annotations[keys.queue] = queue
    marks = dialect.pod_marks(job, task, index, queue)
    if spec.setdefault("schedulerName", job.spec.scheduler_name) != job.spec.scheduler_name:
        told = f"another scheduler than the Job's, {job.spec.scheduler_name!r}, would never start its gang"
        raise InvalidObjectError(f"{path}.spec.schedulerName", told)
    if job.spec.priority_class_name and not spec.get("priorityClassName"):
        spec["priorityClassName"] = job.spec.priority_class_name
    spec = rewrite_vgpu(spec, configuration.devices.vgpu, f"{path}.spec")
    name = pod_name(job, task, index)
    change_pod(spec, PodPlace(job, task, index, name))
    made = owned(PODS, name, job, dialect, {"spec": spec})
    made["metadata"] |= {
        "labels": {**(metadata.get("labels") or {}), **marks.labels, **place, **made["metadata"]["labels"]},
        "annotations": {**(metadata.get("annotations") or {}), **marks.annotations, **annotations},
    }
    return made


def make_trial_pod(job: Job, task: TaskSpec, dialect: Dialect, configuration: Configuration) -> Json:
    """A pod of the task as the API server is asked about it before any exists; it does not depend on the scale."""
    pod = make_pod(job, task, 0, dialect, configuration)
    pod["metadata"]["name"] = pod_name(job, task, DRY_RUN_INDEX)
    return pod


def owned(resource: Resource, name: str, job: Job, dialect: Dialect, content: Json) -> Json:
    """An object that goes when the Job goes."""
    kind = dialect.job.resource
    owner = {"apiVersion": kind.api_version, "kind": kind.kind, "name": job.metadata.name, "uid": job.metadata.uid}
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": name,
            "namespace": job.metadata.namespace,
            "labels": {dialect.keys.job: job.metadata.name},
            "ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": True}],
        },
        **content,
    }


def queue_of(job: Job, dialect: Dialect) -> str:
    """The queue that the Job names; empty when it leaves that to its namespace."""
    key, meta = dialect.keys.queue, job.metadata
    return job.spec.queue or (meta.annotations or {}).get(key) or (meta.labels or {}).get(key) or ""


def content_hash(content: object) -> str:
    """Equal for equal JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def min_resources(job: Job, pods: Mapping[str, Pod]) -> dict[str, str]:
    """What the gang needs to be whole, from one pod of each task as the API server completed it.

    Source: Volcano's rule. Tasks by descending priority; what each task needs, then more of the first ones up to
    minAvailable; if minAvailable is below what the tasks need together, simply its first pods.

    Raises:
        InvalidObjectError: names the task that asks for what cannot be counted.
    """
    total: dict[str, int] = {}
    for task, count in _counted(job, pods):
        path = f"spec.tasks[{job.spec.tasks.index(task)}]"
        try:
            request = request_of(pods[task.name])
        except InvalidObjectError as error:
            raise InvalidObjectError(f"{path}.template.{error.path}", error.reason) from error
        for resource, amount in request:
            total[resource] = total.get(resource, 0) + count * amount
            if total[resource] >= UNLIMITED:
                raise InvalidObjectError(path, f"with it, more {resource} is asked for than can be counted")
    total.pop(PODS.plural, None)  # minMember says it
    return {resource: base_to_quantity(resource, amount) for resource, amount in sorted(total.items())}


def _counted(job: Job, pods: Mapping[str, Pod]) -> list[tuple[TaskSpec, int]]:
    tasks = sorted((t for t in job.spec.tasks if t.replicas), key=lambda t: -pods[t.name].spec.priority)
    needed = sum(task.min_member for task in tasks)
    left = job.spec.min_member
    least = {task.name: task.min_member if needed <= left else 0 for task in tasks}
    left -= sum(least.values())
    counts = []
    for task in tasks:
        more = min(left, task.replicas - least[task.name])
        left -= more
        counts.append((task, least[task.name] + more))
    return counts
