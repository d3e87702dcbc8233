"""What a controller wants done: instructions as values, which the operator carries out.

A controller is a pure function of one object and what is observed around it. It never calls the API server; it returns
`Changes`, and is called again when something it looked at changed. The same holds for the server's answers: a refused
create is not raised into the controller but observed by it at the next call, as an `Answer`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from aiokai.model.kube import Pod
from aiokai.model.resource import Resource

Body = Mapping[str, Any]
"""An object, or a merge patch of one, as JSON."""


@dataclass(frozen=True, slots=True)
class Create:
    """An object to be created; its body holds apiVersion, kind, name and namespace.

    Attributes:
        key: under which the server's answer is wanted at the next call.
    """

    resource: Resource
    body: Body
    key: str


@dataclass(frozen=True, slots=True)
class Patch:
    """A merge patch (RFC 7386) of an object."""

    resource: Resource
    namespace: str
    name: str
    body: Body


@dataclass(frozen=True, slots=True)
class Delete:
    """An object to be deleted, if it still is the one with this uid. That it is gone already is as good."""

    resource: Resource
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event about the object that was reconciled."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said to a `Create`.

    Attributes:
        code: HTTP status, 0 if there was no answer.
        message: the server's text, for people.
        at: when it came.
        attempt: how often in a row this key was tried without success, this time included; 0 after a success.
        pod: the pod that a dry run returned, defaults, limit ranges and webhooks applied.
    """

    code: int
    at: datetime
    message: str = ""
    attempt: int = 0
    pod: Pod | None = None


Answers = Mapping[str, Answer]
"""The last answer by `Create.key`, kept by the operator while the object with that uid exists, in memory only.

A dry run's answer is always kept. A real create's is kept when it failed and dropped when it succeeded, since the
created object is then observed itself. After a restart there are none, and controllers ask again for what they need.
"""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be done now, in the order of the fields.

    A failed `create` or `patch` does not stop the others, nor the status: what is wrong is seen, and said, next time.
    Within `create` the order is kept between kinds (a pod comes after the ConfigMap it mounts); those of one kind may
    go out at the same time.

    Attributes:
        dry_run: pods to create with `dryRun=All&fieldValidation=Strict`; the controller is called again when answered.
        create: objects to create.
        patch: objects to change.
        delete: objects to delete, pods with their own grace period.
        status: merge patch of the object's status (the content under `status`), None if nothing differs.
        events: at most one per transition; none is ever repeated for the same state.
        retry_after_s: call again after so many seconds even if nothing changes; None: only when something does.
    """

    dry_run: tuple[Create, ...] = ()
    create: tuple[Create, ...] = ()
    patch: tuple[Patch, ...] = ()
    delete: tuple[Delete, ...] = ()
    status: Body | None = None
    events: tuple[Event, ...] = ()
    retry_after_s: float | None = None

    def __bool__(self) -> bool:
        return self != Changes()
