"""Job: tasks whose pods start together, in Volcano's words, so that its manifests port by changing `apiVersion`.

A field stands here only if it works. What Volcano has beyond that is unknown to the CRD, so that `kubectl apply` names
it instead of dropping it silently. Pod templates are kept as they were written: the API server judges them, when a
controller creates the first pod as a dry run.
"""

import re
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, Field, ValidationError, WithJsonSchema, field_validator, model_validator

from aiokai.errors import InvalidObjectError
from aiokai.model.base import Custom, Rule, Timestamp, UserModel, WrongFieldError, invalid_object
from aiokai.model.conditions import Conditions
from aiokai.model.keys import SCHEDULER_NAME

DNS_LABEL: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SERVICE_NAME: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
NAME_LIMIT: Final = 63
"""Longest label value and longest host name."""
PLUGINS: Final = ("env", "svc")


class _Resources(UserModel):
    limits: dict[str, str | int | float] | None = None
    requests: dict[str, str | int | float] | None = None


class _Container(UserModel):
    env: list[dict[str, Any]] | None = None
    volume_mounts: list[dict[str, Any]] | None = None
    resources: _Resources | None = None


class _PodSpec(UserModel):
    containers: list[_Container] = Field(min_length=1)
    init_containers: list[_Container] | None = None
    volumes: list[dict[str, Any]] | None = None
    hostname: str | None = None
    subdomain: str | None = None
    scheduler_name: str | None = None
    priority_class_name: str | None = None


class _Metadata(UserModel):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Template(UserModel):
    """The parts of a pod template that controllers reach into. Everything else is the API server's to judge."""

    metadata: _Metadata | None = None
    spec: _PodSpec


def _checked_template(template: dict[str, Any]) -> dict[str, Any]:
    try:
        _Template.model_validate(template)
    except ValidationError as error:
        wrong = invalid_object("", error)
        raise WrongFieldError(wrong.path, wrong.reason) from None
    return template


PodTemplate = Annotated[
    dict[str, Any],
    AfterValidator(_checked_template),
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]


class TaskSpec(UserModel):
    """Pods of one kind in a Job."""

    name: str = Field(
        default="", max_length=NAME_LIMIT, pattern=DNS_LABEL, description="Part of its pods' names; none: `default<i>`."
    )
    replicas: int = Field(default=1, ge=0, le=1_000_000, description="How many pods.")
    min_available: int | None = Field(default=None, ge=0, description="How many of them the Job needs; none: all.")
    template: PodTemplate = Field(description="The pods. Checked by the API server before the Job is queued.")
    max_retry: int = Field(default=3, ge=-1, description="Accepted as Volcano's; no effect yet: nothing fails a task.")

    rules: ClassVar = (
        Rule(
            "!has(self.minAvailable) || self.minAvailable <= self.replicas",
            "minAvailable is more than there are replicas",
        ),
    )

    @property
    def min_member(self) -> int:
        return self.replicas if self.min_available is None else self.min_available

    @model_validator(mode="after")
    def _has_as_many_as_it_needs(self) -> "TaskSpec":
        if self.min_member > self.replicas:
            raise WrongFieldError(
                "minAvailable", f"{self.min_member} is more than there are replicas ({self.replicas})"
            )
        return self


class JobSpec(UserModel):
    scheduler_name: str = Field(
        default=SCHEDULER_NAME, min_length=1, max_length=NAME_LIMIT, description="Who schedules the pods."
    )
    queue: str = Field(
        default="", max_length=253, description="Who pays; none: the queue of the namespace, else `default`."
    )
    priority_class_name: str = Field(default="", max_length=253, description="Order inside the queue.")
    min_available: int | None = Field(
        default=None, ge=0, description="Pods that start together, or none does; none or 0: what the tasks need."
    )
    min_success: int | None = Field(default=None, ge=1, description="The Job is Completed once so many pods succeeded.")
    max_retry: int = Field(default=3, ge=0, description="Accepted as Volcano's; no effect yet: nothing restarts a Job.")
    plugins: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        max_length=len(PLUGINS),
        description="What the pods are given to find each other, each with its flags: `env` (their index), "
        "`svc` (host names of all pods, in files and environment, and a headless Service).",
    )
    tasks: tuple[TaskSpec, ...] = Field(min_length=1, max_length=128, description="The pods, by kind.")

    rules: ClassVar = (
        Rule(
            "self.tasks.all(t, !has(t.name) || self.tasks.exists_one(u, has(u.name) && u.name == t.name))",
            "two tasks have the same name",
        ),
        Rule(
            "!has(self.minAvailable) || self.minAvailable <= self.tasks.map(t, t.replicas).sum()",
            "minAvailable is more than all tasks have replicas",
        ),
        Rule(
            f"!has(self.plugins) || self.plugins.all(name, name in {list(PLUGINS)})",
            f"unknown plugin; there are: {', '.join(PLUGINS)}",
        ),
    )

    @property
    def replicas(self) -> int:
        return sum(task.replicas for task in self.tasks)

    @property
    def min_member(self) -> int:
        """Pods that make the gang whole."""
        return self.min_available or sum(task.min_member for task in self.tasks)

    @field_validator("tasks")
    @classmethod
    def _every_task_has_a_name_of_its_own(cls, tasks: tuple[TaskSpec, ...]) -> tuple[TaskSpec, ...]:
        named = tuple(t if t.name else t.model_copy(update={"name": f"default{i}"}) for i, t in enumerate(tasks))
        names = [task.name for task in named]
        for i, name in enumerate(names):
            if name in names[:i]:
                # The validator stands on `tasks`, so the path goes on from there.
                raise WrongFieldError(f"[{i}].name", f"two tasks have the same name {name!r}")
        return named

    @field_validator("plugins")
    @classmethod
    def _plugins_are_known(cls, plugins: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name in plugins:
            if name not in PLUGINS:
                raise WrongFieldError(name, f"unknown plugin; there are: {', '.join(PLUGINS)}")
        return plugins

    @model_validator(mode="after")
    def _has_as_many_as_it_needs(self) -> "JobSpec":
        if self.min_member > self.replicas:
            raise WrongFieldError(
                "minAvailable", f"{self.min_member} is more than all tasks have replicas ({self.replicas})"
            )
        return self


class JobPhase(StrEnum):
    """Where a Job stands. Pending: too few of its pods run; the others but Running: it has ended and stays so.

    Aborted and Terminated are found on Jobs that another system has stopped; nothing here leads to them yet.
    """

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    ABORTED = "Aborted"
    TERMINATED = "Terminated"

    @property
    def ended(self) -> bool:
        return self not in (JobPhase.PENDING, JobPhase.RUNNING)


class JobState(UserModel):
    phase: str = Field(default="", description="Pending, Running, Completed or Failed.")
    reason: str = Field(default="", description="Why it waits or failed, in one word.")
    message: str = Field(default="", description="The same for people: what is missing, or the API server's own text.")
    last_transition_time: Timestamp | None = Field(default=None, description="Since when the phase is this one.")


class TaskStatus(UserModel):
    phase: dict[str, int] = Field(default_factory=dict, description="Pods by phase.")


class JobStatus(UserModel):
    """Written by the Job controller alone.

    `conditions` holds one entry per phase the Job has been in (True for the present one), so that
    `kubectl wait --for=condition=Completed` works, and `Invalid` or `Refused` with the server's text while the Job
    cannot go on because of it.
    """

    state: JobState = JobState()
    min_available: int = 0
    task_status_count: dict[str, TaskStatus] = Field(default_factory=dict)
    pending: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    terminating: int = 0
    unknown: int = 0
    version: int = 0
    retry_count: int = 0
    conditions: Conditions = ()


Job = Custom[JobSpec, JobStatus]

JOB_RULES: Final = (
    Rule(f"size(self.metadata.name) <= {NAME_LIMIT}", f"a Job's name has at most {NAME_LIMIT} characters"),
    Rule(
        f"!has(self.spec.plugins) || !('svc' in self.spec.plugins) || self.metadata.name.matches('{SERVICE_NAME}')",
        "with plugin svc, the Job's name is a Service's: a letter first, no dots",
    ),
    Rule(
        "!has(self.spec.plugins) || !('svc' in self.spec.plugins) || "
        "self.spec.tasks.all(t, !has(t.name) || t.replicas == 0 || "
        f"size(self.metadata.name) + size(t.name) + size(string(t.replicas - 1)) + 2 <= {NAME_LIMIT})",
        f"with plugin svc, pod names are host names: at most {NAME_LIMIT} characters",
    ),
)
"""What takes the name of the Job to decide. `check_job` is the twin."""


def check_job(job: Job) -> None:
    """Check what takes the name of the Job to decide.

    Raises:
        InvalidObjectError: its pods could not be named.
    """
    name = job.metadata.name
    if len(name) > NAME_LIMIT:
        raise InvalidObjectError("metadata.name", f"a Job's name has at most {NAME_LIMIT} characters, not {len(name)}")
    if "svc" not in job.spec.plugins:
        return
    if not re.fullmatch(SERVICE_NAME, name):
        told = "with plugin svc, the Job's name is a Service's: a letter first, no dots"
        raise InvalidObjectError("metadata.name", f"{told} (got {name!r})")
    for i, task in enumerate(job.spec.tasks):
        last = f"{name}-{task.name}-{task.replicas - 1}"
        if task.replicas and len(last) > NAME_LIMIT:
            told = f"with plugin svc, pod names are host names: {last!r} has more than {NAME_LIMIT} characters"
            raise InvalidObjectError(f"spec.tasks[{i}].name", told)
