"""The Job controller: one pure step from what is observed to what is wanted next.

A Job's way, each arrow one call of `reconcile` or more:
    tried (a pod of each task as a dry run: the API server judges the templates, and completes them)
    → queued (a PodGroup says what the gang needs; no pod exists yet)
    → admitted (the scheduler says so on the PodGroup: plugin objects, then pods)
    → Running → Completed or Failed (pods that still run or wait are removed, those that ended stay, the PodGroup goes).

Nothing is remembered between calls but in the objects themselves: the PodGroup carries a hash of what it was made from,
so that an edited Job is tried anew, and a restarted operator tries nothing again. Deletion is the owner references'.
What keeps a Job from going on is told in `status.state` and in one condition:
    Invalid   the API server, or aiokai, will never take it as it is: it waits until it is edited
    Refused   the API server does not take it now (quota, service account, a name that is taken): tried again
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from aiokai.controllers.changes import Answer, Answers, Body, Changes, Create, Delete, Event, Patch
from aiokai.controllers.jobplugins import plugin_objects
from aiokai.controllers.jobpods import (
    content_hash,
    make_pod,
    make_trial_pod,
    min_resources,
    owned,
    pod_group_name,
    pod_name,
    queue_of,
)
from aiokai.controllers.jobstatus import PodCounts, Standing, count_pods, next_standing, refused_by_kubelet, status_of
from aiokai.dialects import Dialect
from aiokai.errors import InvalidObjectError
from aiokai.model.base import Envelope
from aiokai.model.conditions import ConditionStatus, with_condition, without_condition
from aiokai.model.configuration import Configuration
from aiokai.model.job import Job, JobPhase, JobState, JobStatus, TaskSpec
from aiokai.model.keys import CONTENT
from aiokai.model.kube import ObjectMeta, Pod
from aiokai.model.merge_patch import merge_patch
from aiokai.model.pod_group import GangPhase, PodGroup, PodGroupSpec
from aiokai.model.resource import CONFIG_MAPS, NETWORK_POLICIES, PODS, SERVICES, Resource

OTHER_CHILDREN: Final = (SERVICES, CONFIG_MAPS, NETWORK_POLICIES)
"""What a Job may have beside PodGroup and pods; all of it bears the label of `PodKeys.job`."""

INVALID: Final = "Invalid"
REFUSED: Final = "Refused"
WITHOUT_EFFECT: Final = "FieldsWithoutEffect"
LONGEST_BACKOFF_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class JobChildren:
    """What exists of a Job: objects whose controller is the Job, by uid.

    Attributes:
        others: metadata of the objects of OTHER_CHILDREN.
    """

    pod_group: PodGroup | None = None
    pods: tuple[Pod, ...] = ()
    others: Mapping[tuple[Resource, str], ObjectMeta] = field(default_factory=dict)


def reconcile(
    body: Body, children: JobChildren, answers: Answers, now: datetime, dialect: Dialect, configuration: Configuration
) -> Changes:
    """What is to be done for the Job in `body` (the whole object, as JSON); nothing if another scheduler's it is."""
    envelope = msgspec.convert(body, Envelope)
    told = (envelope.spec or {}).get("schedulerName") or dialect.scheduler_name
    if envelope.metadata.deletion_timestamp is not None or configuration.dialect_of(told) != dialect.name:
        return Changes()
    try:
        job = dialect.job.decode(envelope)
        return _Step(job, children, answers, now, dialect, configuration).changes(envelope.status or {})
    except InvalidObjectError as error:
        return _invalid(envelope, error, now, dialect)


def _invalid(envelope: Envelope, error: InvalidObjectError, now: datetime, dialect: Dialect) -> Changes:
    """A Job that cannot be read, or not be written as pods: it says so, and what runs of it is left alone."""
    status = dialect.job.decode_status(envelope.status or {})
    obstacle = _Obstacle(INVALID, str(error))
    told = _told(status, Standing(_phase_of(status)), obstacle, envelope.metadata.generation, now)
    return _with_status(Changes(), status, told, envelope.status or {}, dialect)


@dataclass(frozen=True, slots=True)
class _Obstacle:
    """What keeps the Job from going on."""

    condition: str
    message: str


class _Attempts:
    """Which creations may be tried now, given what the server said to the last try."""

    def __init__(self, answers: Answers, now: datetime) -> None:
        self._answers = answers
        self._now = now
        self.obstacle: _Obstacle | None = None
        self.retry_after_s: float | None = None

    def due(self, create: Create, path: str = "") -> bool:
        """True if it may be tried; otherwise it is known why not, and when again. `path` says where it is written."""
        answer = self._answers.get(create.key)
        if answer is None or answer.attempt == 0:
            return True
        condition = _condition_of(answer)
        if condition is not None and (self.obstacle is None or condition == INVALID):
            self.obstacle = _Obstacle(condition, f"{path}: {answer.message}" if path else answer.message)
        if condition == INVALID:
            return False
        wait_s = (answer.at + timedelta(seconds=_backoff_s(answer.attempt)) - self._now).total_seconds()
        if wait_s <= 0:
            return True
        self.retry_after_s = min(wait_s, self.retry_after_s or wait_s)
        return False


def _condition_of(answer: Answer) -> str | None:
    """None: nobody knows what became of it, or the server is busy. It is tried again without a word."""
    match answer.code:
        case 400 | 413 | 422:
            return INVALID
        case 401 | 403 | 404 | 409:
            return REFUSED
        case _:
            return None


def _backoff_s(attempt: int) -> float:
    return min(LONGEST_BACKOFF_S, 2.0 ** (attempt - 1))


class _Step:
    """One call of `reconcile` for a Job that can be read."""

    def __init__(
        self,
        job: Job,
        children: JobChildren,
        answers: Answers,
        now: datetime,
        dialect: Dialect,
        configuration: Configuration,
    ) -> None:
        self._job = job
        self._children = children
        self._answers = answers
        self._now = now
        self._dialect = dialect
        self._configuration = configuration
        self._attempts = _Attempts(answers, now)
        self._wanted = {pod_name(job, task, i): (task, i) for task in job.spec.tasks for i in range(task.replicas)}
        self._counts = self._count()

    def changes(self, old_status: Mapping[str, Any]) -> Changes:
        job = self._job
        standing = next_standing(job, _phase_of(job.status), self._counts)
        try:
            changes = self._clear_away() if standing.phase.ended else self._go_on()
        except InvalidObjectError as error:
            changes = Changes()
            self._attempts.obstacle = _Obstacle(INVALID, str(error))
        if changes.dry_run:
            # The status follows with the answers, a moment later and in one write.
            return changes
        if standing.phase is JobPhase.PENDING and self._children.pod_group is not None:
            standing = _waiting(self._children.pod_group)
        status = status_of(job, self._counts)
        told = _told(status, standing, self._attempts.obstacle, job.metadata.generation, self._now)
        changes = replace(changes, retry_after_s=self._attempts.retry_after_s)
        changes = _with_status(changes, job.status, told, old_status, self._dialect)
        if job.without_effect and not job.status.state.phase:
            changes = replace(changes, events=(_without_effect(job), *changes.events))
        return changes

    def _count(self) -> PodCounts:
        return count_pods(
            (self._wanted[pod.metadata.name][0].name, pod)
            for pod in self._children.pods
            if pod.metadata.name in self._wanted
        )

    # After the end

    def _clear_away(self) -> Changes:
        """Remove what still runs or waits; then the PodGroup, which would go on asking for what the gang needs."""
        left = [pod for pod in self._children.pods if pod.status.phase not in ("Succeeded", "Failed")]
        deletes = [self._delete_pod(pod) for pod in left if pod.metadata.deletion_timestamp is None]
        group = self._children.pod_group
        if group is not None and not left and group.metadata.deletion_timestamp is None:
            deletes.append(self._delete(self._dialect.pod_group.resource, group.metadata))
        return Changes(delete=tuple(deletes))

    # Before the end

    def _go_on(self) -> Changes:
        surplus = tuple(self._delete_pod(pod) for pod in self._surplus())
        trials = {task.name: self._trial(task) for task in self._job.spec.tasks if task.replicas}
        group, content = self._children.pod_group, self._group_content(trials)
        # 1. A PodGroup that says what the gang needs, once the API server has taken a pod of each task.
        if group is None or (group.metadata.annotations or {}).get(CONTENT) != content:
            return replace(self._queue(trials, content), delete=surplus)
        # 2. Wait until it is admitted.
        if group.status.phase in ("", GangPhase.PENDING):
            return Changes(delete=surplus)
        # 3. What the pods mount and are found by, while any of it is missing; a pod without it would fail.
        missing, patches = self._plugin_objects()
        if not missing:
            # 4. The pods.
            missing = list(self._missing_pods())
        creates = tuple(create for create in missing if self._attempts.due(create))
        return Changes(create=creates, patch=patches, delete=surplus)

    def _surplus(self) -> Iterator[Pod]:
        """Pods beyond the scale, highest index first, and those a kubelet refused: their places are filled again."""
        beyond = [pod for pod in self._children.pods if pod.metadata.name not in self._wanted]
        refused = [pod for pod in self._children.pods if pod.metadata.name in self._wanted and refused_by_kubelet(pod)]
        for pod in [*sorted(beyond, key=_index_of, reverse=True), *refused]:
            if pod.metadata.deletion_timestamp is None:
                yield pod

    def _trial(self, task: TaskSpec) -> Create:
        pod = make_trial_pod(self._job, task, self._dialect, self._configuration)
        return Create(PODS, pod, f"dry-run/{task.name}/{content_hash(pod)}")

    def _group_content(self, trials: Mapping[str, Create]) -> str:
        spec = self._job.spec
        tasks = [[task.name, task.replicas, task.min_member] for task in spec.tasks]
        said = [spec.min_member, spec.priority_class_name, queue_of(self._job, self._dialect)]
        return content_hash([tasks, said, [trial.key for trial in trials.values()]])

    def _queue(self, trials: Mapping[str, Create], content: str) -> Changes:
        """The PodGroup, new or brought up to date; before that, what is to be asked for it."""
        answered = {task: self._answers.get(trial.key) for task, trial in trials.items()}
        pods = {task: answer.pod for task, answer in answered.items() if answer is not None and answer.pod is not None}
        if len(pods) < len(trials):
            paths = {task.name: f"spec.tasks[{i}].template" for i, task in enumerate(self._job.spec.tasks)}
            asked = (task for task in trials if task not in pods)
            return Changes(
                dry_run=tuple(trials[task] for task in asked if self._attempts.due(trials[task], paths[task]))
            )
        spec = self._dialect.pod_group.encode_spec(self._group_spec(pods))
        old = self._children.pod_group
        if old is None:
            group = self._own(self._dialect.pod_group.resource, pod_group_name(self._job), {"spec": spec}, content)
            group["metadata"]["labels"] = (self._job.metadata.labels or {}) | group["metadata"]["labels"]
            create = _create(self._dialect.pod_group.resource, group)
            return Changes(create=(create,) if self._attempts.due(create) else ())
        change = {
            "metadata": {"annotations": {CONTENT: content}},
            "spec": merge_patch(self._dialect.pod_group.encode_spec(old.spec), spec),
        }
        return Changes(patch=(self._patch(self._dialect.pod_group.resource, old.metadata.name, change),))

    def _group_spec(self, pods: Mapping[str, Pod]) -> PodGroupSpec:
        spec = self._job.spec
        by_task = {task.name: task.min_member for task in spec.tasks if task.min_member}
        old = self._children.pod_group
        return (old.spec if old is not None else PodGroupSpec()).model_copy(
            update={
                "min_member": spec.min_member,
                # A Job that starts with fewer pods than its tasks need together does not ask for so many of each.
                "min_task_member": by_task if spec.min_member >= sum(by_task.values()) else None,
                "min_resources": min_resources(self._job, pods),
                "queue": queue_of(self._job, self._dialect),
                "priority_class_name": spec.priority_class_name,
            }
        )

    def _plugin_objects(self) -> tuple[list[Create], tuple[Patch, ...]]:
        """Those that are missing, and what brings the others up to date."""
        creates: list[Create] = []
        patches: list[Patch] = []
        for resource, name, wanted in plugin_objects(self._job, self._dialect.keys):
            content = content_hash(wanted)
            existing = self._children.others.get((resource, name))
            if existing is None:
                creates.append(_create(resource, self._own(resource, name, wanted, content)))
            elif (existing.annotations or {}).get(CONTENT) != content:
                change = {"metadata": {"annotations": {CONTENT: content}}, **wanted}
                patches.append(self._patch(resource, name, change))
        return creates, tuple(patches)

    def _missing_pods(self) -> Iterator[Create]:
        existing = {pod.metadata.name for pod in self._children.pods}
        for name, (task, index) in self._wanted.items():
            if name not in existing:
                yield _create(PODS, make_pod(self._job, task, index, self._dialect, self._configuration))

    # Writing

    def _own(self, resource: Resource, name: str, wanted: dict[str, Any], content: str) -> dict[str, Any]:
        made = owned(resource, name, self._job, self._dialect, wanted)
        made["metadata"]["annotations"] = {CONTENT: content}
        return made

    def _patch(self, resource: Resource, name: str, body: Body) -> Patch:
        return Patch(resource, self._job.metadata.namespace, name, body)

    def _delete_pod(self, pod: Pod) -> Delete:
        return self._delete(PODS, pod.metadata)

    def _delete(self, resource: Resource, meta: ObjectMeta) -> Delete:
        return Delete(resource, self._job.metadata.namespace, meta.name, meta.uid)


def _index_of(pod: Pod) -> int:
    index = pod.metadata.name.rpartition("-")[2]
    return int(index) if index.isdigit() else 0


def _create(resource: Resource, body: dict[str, Any]) -> Create:
    # The content is part of the key: what was refused is tried at once when it is edited.
    return Create(resource, body, f"{resource.kind}/{body['metadata']['name']}/{content_hash(body)}")


def _waiting(group: PodGroup) -> Standing:
    """Pending, with the scheduler's words on the PodGroup: what is wrong with it, or why it does not start now."""
    said = {condition.type: condition for condition in group.status.conditions}
    for kind, told in ((INVALID, "True"), ("Scheduled", "False")):
        if kind in said and said[kind].status == told:
            return Standing(JobPhase.PENDING, said[kind].reason, said[kind].message)
    return Standing(JobPhase.PENDING)


def _phase_of(status: JobStatus) -> JobPhase:
    """The phase that was written last; one that is not known here begins anew."""
    try:
        return JobPhase(status.state.phase)
    except ValueError:
        return JobPhase.PENDING


def _told(
    status: JobStatus, standing: Standing, obstacle: _Obstacle | None, generation: int, now: datetime
) -> JobStatus:
    """`status` with what is to be said: the phase with its reason, a condition for it, and one for the obstacle."""
    old, phase = status.state, standing.phase
    moved = old.phase != phase
    if obstacle is not None:
        reason, message = obstacle.condition, obstacle.message
    elif moved or not phase.ended:
        reason, message = standing.reason, standing.message
    else:
        reason, message = old.reason, old.message
    since = now if moved else old.last_transition_time or now
    conditions = status.conditions
    if moved:
        if old.phase:
            conditions = with_condition(conditions, ConditionStatus(type=old.phase, status="False", reason=phase), now)
        entered = ConditionStatus(type=phase, status="True", reason=standing.reason or phase, message=standing.message)
        conditions = with_condition(conditions, entered, now)
    for kind in (INVALID, REFUSED):
        if obstacle is None or obstacle.condition != kind:
            conditions = without_condition(conditions, kind)
    if obstacle is not None:
        said = ConditionStatus(
            type=obstacle.condition,
            status="True",
            reason=obstacle.condition,
            message=obstacle.message,
            observed_generation=generation or None,
        )
        conditions = with_condition(conditions, said, now)
    state = JobState(phase=phase, reason=reason, message=message, last_transition_time=since)
    return status.model_copy(update={"state": state, "conditions": conditions})


def _with_status(
    changes: Changes, old: JobStatus, new: JobStatus, written: Mapping[str, Any], dialect: Dialect
) -> Changes:
    """`changes` with the status, if it differs from what is written, and an Event for each transition."""
    patch = merge_patch(written, dialect.job.encode_status(new))
    return replace(changes, status=patch or None, events=tuple(_events(old, new)))


def _without_effect(job: Job) -> Event:
    fields = ", ".join(job.without_effect)
    return Event("Warning", WITHOUT_EFFECT, f"the Job runs as if these were not set, they have no effect yet: {fields}")


def _events(old: JobStatus, new: JobStatus) -> Iterator[Event]:
    if new.state.phase != old.state.phase and (old.state.phase or new.state.phase != JobPhase.PENDING):
        failed = new.state.phase == JobPhase.FAILED
        told = new.state.message or f"{new.running} pods are running"
        yield Event("Warning" if failed else "Normal", new.state.phase, told)
    before = {condition.type: condition.message for condition in old.conditions}
    for condition in new.conditions:
        if condition.type == INVALID and before.get(INVALID) != condition.message:
            yield Event("Warning", INVALID, condition.message)
        elif condition.type == REFUSED and REFUSED not in before:
            # Not again for another text: a quota's numbers change with every try.
            yield Event("Warning", REFUSED, condition.message)
