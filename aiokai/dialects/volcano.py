"""Volcano's dialect: its Queue, PodGroup and Job read as ours, and what we say about them written as Volcano would.

Volcano's admission webhooks are not there when aiokai takes its place, so what they fill in is filled in here. A field
that Volcano acts on and aiokai does not is never dropped in silence: where the pods may run all the same it is named in
`Custom.without_effect`, where running them would break what the field promises the object is invalid.
Source: Volcano 1.15, `scheduling.volcano.sh/v1beta1` and `batch.volcano.sh/v1alpha1`. What differs from ours:
    - a queue is closed by a command, which leaves its trace in `status.state` only;
    - queue `default` means the namespace's queue where the namespace names one; `root` is above all queues;
    - the status of a PodGroup is written with the object, there is no subresource;
    - a PodGroup waits with condition `Unschedulable`, ours says `Scheduled` False; there is no count of waiting pods;
    - a Job's conditions are the phases it went through, each with the time at which it began.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import Field

from aiokai.dialects.dialect import Dialect, DialectKind, PodKeys, PodMarks
from aiokai.dialects.encoding import encode_model
from aiokai.errors import InvalidObjectError
from aiokai.model.base import Envelope, Timestamp, UserModel, decode_custom, decode_envelope, decode_status
from aiokai.model.conditions import ConditionStatus
from aiokai.model.job import Job, JobPhase, JobSpec, JobStatus, TaskSpec, check_job
from aiokai.model.pod_group import PodGroup, PodGroupSpec, PodGroupStatus
from aiokai.model.queue import DEFAULT_QUEUE, Queue, QueueSpec, QueueStatus, check_queue
from aiokai.model.resource import Resource

Json = dict[str, Any]
Read = Mapping[str, Any]

NAME: Final = "volcano"
SCHEDULER_NAME: Final = "volcano"

QUEUES: Final = Resource("scheduling.volcano.sh", "v1beta1", "queues", "Queue", namespaced=False)
POD_GROUPS: Final = Resource("scheduling.volcano.sh", "v1beta1", "podgroups", "PodGroup")
JOBS: Final = Resource("batch.volcano.sh", "v1alpha1", "jobs", "Job")

KEYS: Final = PodKeys(
    queue="scheduling.volcano.sh/queue-name",
    pod_group="scheduling.k8s.io/group-name",
    job="volcano.sh/job-name",
    task="volcano.sh/task-spec",
    task_index="volcano.sh/task-index",
    subgroup="",
    min_member="scheduling.volcano.sh/group-min-member",
    preemptibility="volcano.sh/preemptable",
    queue_aliases=("volcano.sh/queue-name",),
    pod_group_aliases=("scheduling.volcano.sh/group-name",),
)

# Queue

ROOT_QUEUE: Final = "root"
_CLOSED: Final = ("Closed", "Closing")


def _decode_queue(raw: bytes | Envelope) -> Queue:
    envelope = _envelope(raw)
    spec = dict(envelope.spec or {})
    guarantee = spec.pop("guarantee", None)
    if isinstance(guarantee, Mapping) and guarantee.get("resource"):
        spec["guarantee"] = guarantee["resource"]
    if not spec.get("weight"):
        spec.pop("weight", None)
    if spec.get("parent") in ("", ROOT_QUEUE):
        del spec["parent"]
    # Ours wants a state in the spec. Volcano's has none: what a command has done stands in the status.
    spec["state"] = "Closed" if (envelope.status or {}).get("state") in _CLOSED else "Open"
    try:
        queue = decode_custom(_with(envelope, spec), NAME, QueueSpec, QueueStatus)
    except InvalidObjectError as error:
        within = "spec.guarantee"
        if not error.path.startswith(within):
            raise
        raise InvalidObjectError(f"{within}.resource{error.path.removeprefix(within)}", error.reason) from error
    if queue.metadata.name == ROOT_QUEUE:
        # All queues are below it without naming it here, so it owns nothing and is entitled to nothing.
        limits = [f"spec.{name}" for name in ("capability", "deserved", "guarantee") if spec.get(name)]
        return replace(queue, spec=QueueSpec(reclaimable=False), without_effect=tuple(limits))
    check_queue(queue)
    return queue


def _encode_queue_spec(spec: QueueSpec) -> Json:
    names = ("parent", "weight", "priority", "capability", "deserved", "guarantee", "reclaimable", "dequeueStrategy")
    written = {name: value for name, value in encode_model(spec).items() if name in (*names, "affinity")}
    if "guarantee" in written:
        written["guarantee"] = {"resource": written["guarantee"]}
    return written


def _encode_queue_status(status: QueueStatus) -> Json:
    names = ("state", "allocated", "pending", "inqueue", "running")
    return {name: value for name, value in encode_model(status).items() if name in names}


def _decode_queue_status(status: Read) -> QueueStatus:
    return decode_status(QueueStatus, status)


# PodGroup

_SCHEDULED: Final = "Scheduled"
_UNSCHEDULABLE: Final = "Unschedulable"
_READY: Final = "tasks in gang are ready to be scheduled"
_NOT_ENOUGH: Final = {
    "Unschedulable": "NotEnoughResources",
    "NeverFits": "NotEnoughResources",
    "QueueOverCapability": "NotEnoughResources",
    "InsufficientResources": "NotEnoughResources",
    "InsufficientDevices": "NotEnoughResources",
    "GangIncomplete": "NotEnoughTasks",
}
"""Volcano's reasons for ours. The others it does not know; they are written as they are."""


def _decode_pod_group(raw: bytes | Envelope) -> PodGroup:
    envelope = _envelope(raw)
    spec = _with_namespaces_queue(dict(envelope.spec or {}))
    ignored = list(_checked_topology(spec, "spec"))
    for i, policy in enumerate(_maps(spec.get("subGroupPolicy"))):
        path = f"spec.subGroupPolicy[{i}]"
        ignored += _checked_topology(policy, path)
        if policy.get("minSubGroups"):
            raise InvalidObjectError(
                f"{path}.minSubGroups", "aiokai cannot keep subgroups of matching labels whole yet"
            )
        ignored.append(path)
    group = decode_custom(_with(envelope, spec), NAME, PodGroupSpec, PodGroupStatus)
    return replace(group, status=_decode_pod_group_status(envelope.status or {}), without_effect=tuple(ignored))


def _encode_pod_group_spec(spec: PodGroupSpec) -> Json:
    names = ("minMember", "minTaskMember", "minResources", "queue", "priorityClassName")
    return {name: value for name, value in encode_model(spec).items() if name in names}


def _decode_pod_group_status(status: Read) -> PodGroupStatus:
    return decode_status(PodGroupStatus, {**status, "conditions": _read_conditions(status.get("conditions"))})


def _read_conditions(told: object) -> list[Json]:
    """Volcano keeps one condition of each type and says neither false; the one of the later time is true."""
    conditions = _maps(told)
    spoken = [c for c in conditions if c.get("type") in (_SCHEDULED, _UNSCHEDULABLE)]
    read = [{**c} for c in conditions if c not in spoken]
    if spoken:
        last = max(spoken, key=lambda c: str(c.get("lastTransitionTime", "")))
        placed = last["type"] == _SCHEDULED
        said = {"status": str(placed), "reason": _SCHEDULED if placed else last.get("reason") or _UNSCHEDULABLE}
        read.insert(0, {**last, "type": _SCHEDULED, **said})
    return read


def _encode_pod_group_status(status: PodGroupStatus) -> Json:
    names = ("phase", "running", "succeeded", "failed", "conditions")
    written = {name: value for name, value in encode_model(status).items() if name in names}
    if "conditions" in written:
        written["conditions"] = [_as_volcanos(condition) for condition in written["conditions"]]
    return written


def _as_volcanos(condition: Json) -> Json:
    told = {name: value for name, value in condition.items() if name != "observedGeneration"}
    if told["type"] != _SCHEDULED:
        return told
    if told["status"] == "True":
        return {**told, "reason": _READY}
    reason = told.get("reason", _UNSCHEDULABLE)
    return {**told, "type": _UNSCHEDULABLE, "status": "True", "reason": _NOT_ENOUGH.get(reason, reason)}


# Job

_NEEDS_SVC: Final = ("tensorflow", "mpi", "pytorch", "ray")
"""Plugins that Volcano's webhook gives `svc` to, and `mpi` also `ssh`."""
_LATER_PHASES: Final = {
    "Restarting": JobPhase.PENDING,
    "Completing": JobPhase.COMPLETED,
    "Terminating": JobPhase.TERMINATED,
    "Aborting": JobPhase.ABORTED,
}
"""Phases in which Volcano waits for pods to end, and where they lead."""
_KEPT: Final = ("controlledResources", "runningDuration")
_PHASES: Final = frozenset({*map(str, JobPhase), *_LATER_PHASES})
_COPIED_TO_PODS: Final = tuple(
    f"volcano.sh/{name}"
    for name in ("preemptable", "cooldown-time", "revocable-zone", "jdb-min-available", "jdb-max-unavailable")
)


def _decode_job(raw: bytes | Envelope) -> Job:
    envelope = _envelope(raw)
    spec = _with_namespaces_queue(_with_defaults(envelope.spec or {}))
    ignored = tuple(_fields_without_effect(spec))
    job = decode_custom(_with(envelope, spec), NAME, JobSpec, JobStatus)
    job = replace(job, status=_decode_job_status(envelope.status or {}), without_effect=ignored)
    check_job(job)
    return job


def _with_defaults(told: Read) -> Json:
    """The spec as Volcano's webhook completes it, where ours does not say the same by itself."""
    spec = {name: value for name, value in told.items() if name not in ("maxRetry", "schedulerName") or value}
    spec.setdefault("schedulerName", SCHEDULER_NAME)
    plugins = spec.get("plugins")
    if isinstance(plugins, Mapping):
        wanted = {"svc": ()} if any(name in plugins for name in _NEEDS_SVC) else {}
        spec["plugins"] = {**wanted, **({"ssh": ()} if "mpi" in plugins else {}), **plugins}
    if isinstance(spec.get("tasks"), list):
        spec["tasks"] = [_task_with_defaults(task) if isinstance(task, Mapping) else task for task in spec["tasks"]]
    return spec


def _task_with_defaults(told: Read) -> Json:
    task = {name: value for name, value in told.items() if name not in ("maxRetry", "name") or value}
    parts = task.get("partitionPolicy")
    if isinstance(parts, Mapping) and parts.get("minPartitions") and task.get("minAvailable") is None:
        task["minAvailable"] = parts["minPartitions"] * parts.get("partitionSize", 1)
    template = task.get("template")
    pod = template.get("spec") if isinstance(template, Mapping) else None
    if isinstance(pod, Mapping) and pod.get("hostNetwork") and not pod.get("dnsPolicy"):
        task["template"] = {**template, "spec": {**pod, "dnsPolicy": "ClusterFirstWithHostNet"}}  # type: ignore[dict-item]
    return task


def _fields_without_effect(spec: Read) -> Iterator[str]:
    """Paths of what is set and has no effect.

    Raises:
        InvalidObjectError: pods that run without it would break what it promises.
    """
    if spec.get("volumes"):
        raise InvalidObjectError("spec.volumes", "aiokai does not mount them yet; name them in the tasks' templates")
    yield from (f"spec.{name}" for name in ("policies", "ttlSecondsAfterFinished") if _is_set(spec.get(name)))
    yield from _checked_topology(spec, "spec")
    for i, task in enumerate(_maps(spec.get("tasks"))):
        yield from _task_fields_without_effect(task, f"spec.tasks[{i}]")


def _task_fields_without_effect(task: Read, path: str) -> Iterator[str]:
    if (task.get("dependsOn") or {}).get("name"):
        raise InvalidObjectError(f"{path}.dependsOn", "aiokai cannot start one task after another yet")
    if (numa := task.get("topologyPolicy")) in ("restricted", "single-numa-node"):
        raise InvalidObjectError(f"{path}.topologyPolicy", f"aiokai cannot keep {numa!r} yet")
    if numa == "best-effort":
        yield f"{path}.topologyPolicy"
    if _is_set(task.get("policies")):
        yield f"{path}.policies"
    if parts := task.get("partitionPolicy"):
        if 0 < parts.get("minPartitions", 0) < parts.get("totalPartitions", 1):
            raise InvalidObjectError(f"{path}.partitionPolicy.minPartitions", "aiokai cannot keep partitions whole yet")
        yield from _checked_topology(parts, f"{path}.partitionPolicy")
        yield f"{path}.partitionPolicy"


def _is_set(value: object) -> bool:
    return value is not None and value != []


class _PhaseBegan(UserModel):
    """One of a Job's conditions."""

    status: str
    last_transition_time: Timestamp | None = None


class _JobStatus(JobStatus):
    """Ours, with what only Volcano's shows: when each phase began, and fields that are kept as they are."""

    history: tuple[_PhaseBegan, ...] = ()
    kept: dict[str, Any] = Field(default_factory=dict)


def _decode_job_status(told: Read) -> JobStatus:
    state = told.get("state") or {}
    phase = _LATER_PHASES.get(state.get("phase", ""), state.get("phase", ""))
    history = [began for began in _maps(told.get("conditions")) if began.get("status")]
    conditions = [
        {"type": name, "status": str(name == phase), "lastTransitionTime": began.get("lastTransitionTime")}
        for name, began in {began["status"]: began for began in history}.items()
    ]
    return decode_status(
        _JobStatus,
        {
            **told,
            "state": {**state, "phase": phase},
            "conditions": conditions,
            "history": history,
            "kept": {name: told[name] for name in _KEPT if name in told},
        },
    )


def _encode_job_status(status: JobStatus) -> Json:
    written = {name: value for name, value in encode_model(status).items() if name not in ("history", "kept")}
    history = _history_of(status)
    written["conditions"] = [encode_model(began) for began in history]
    if status.state.phase in (JobPhase.COMPLETED, JobPhase.FAILED) and (took_s := _duration_s(history)) is not None:
        written["runningDuration"] = f"{took_s:.0f}s"
    return written | (status.kept if isinstance(status, _JobStatus) else {})


def _history_of(status: JobStatus) -> list[_PhaseBegan]:
    """Each phase with its beginning, the present one last. Ours remember when the others ended."""
    known = {began.status: began for began in status.history} if isinstance(status, _JobStatus) else {}
    phases = [c for c in status.conditions if c.type in _PHASES]
    past = [known.get(c.type) or _began(c) for c in phases if c.status != "True"]
    return past + [_began(c) for c in phases if c.status == "True"]


def _began(condition: ConditionStatus) -> _PhaseBegan:
    return _PhaseBegan(status=condition.type, last_transition_time=condition.last_transition_time)


def _duration_s(history: list[_PhaseBegan]) -> float | None:
    times = [began.last_transition_time for began in history if began.last_transition_time is not None]
    return (max(times) - min(times)).total_seconds() if times else None


def _pod_marks(job: Job, task: TaskSpec, _index: int, queue: str) -> PodMarks:
    """What Volcano's Job controller writes on its pods, which its device plugins, tools and dashboards read."""
    said = {**(job.metadata.labels or {}), **(job.metadata.annotations or {})}
    copied = {key: said[key] for key in _COPIED_TO_PODS if key in said}
    paid_by = {"volcano.sh/queue-name": queue} if queue else {}
    annotations = {
        KEYS.job: job.metadata.name,
        "volcano.sh/job-version": str(job.status.version),
        "volcano.sh/job-retry-count": str(job.status.retry_count),
        "volcano.sh/template-uid": f"{job.metadata.name}-{task.name}",
    }
    return PodMarks(
        labels={"volcano.sh/job-namespace": job.metadata.namespace, **paid_by},
        annotations={**copied, **annotations, **paid_by},
    )


# Everywhere


def _envelope(raw: bytes | Envelope) -> Envelope:
    return raw if isinstance(raw, Envelope) else decode_envelope(raw)


def _with(envelope: Envelope, spec: Json) -> Envelope:
    """The envelope with another spec, and without the status, which is read apart."""
    return Envelope(envelope.metadata, spec, envelope.status)


def _with_namespaces_queue(spec: Json) -> Json:
    """Queue `default` stands for the namespace's, if that has one; so it is left to the namespace."""
    if spec.get("queue") == DEFAULT_QUEUE:
        del spec["queue"]
    return spec


def _checked_topology(owner: Read, path: str) -> Iterator[str]:
    """The path of a network topology that is only a wish.

    Raises:
        InvalidObjectError: it is more than that.
    """
    topology = owner.get("networkTopology")
    if not isinstance(topology, Mapping):
        return
    if topology.get("mode", "hard") != "soft":
        raise InvalidObjectError(f"{path}.networkTopology", "aiokai cannot keep pods within a HyperNode yet")
    yield f"{path}.networkTopology"


def _maps(told: object) -> list[Read]:
    """The items that are objects; what else stands there is the model's to refuse."""
    return [item for item in told if isinstance(item, Mapping)] if isinstance(told, list) else []


VOLCANO: Final = Dialect(
    name=NAME,
    scheduler_name=SCHEDULER_NAME,
    keys=KEYS,
    queue=DialectKind(QUEUES, _decode_queue, _encode_queue_spec, _encode_queue_status, _decode_queue_status),
    pod_group=DialectKind(
        POD_GROUPS,
        _decode_pod_group,
        _encode_pod_group_spec,
        _encode_pod_group_status,
        _decode_pod_group_status,
        status_subresource=False,
    ),
    job=DialectKind(JOBS, _decode_job, encode_model, _encode_job_status, _decode_job_status),
    pod_marks=_pod_marks,
)
