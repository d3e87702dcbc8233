"""The Queue controller: whether a queue is open, as its spec wants it and its pod groups allow it.

The numbers in a Queue's status are the scheduler's and left alone.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from aiokai.controllers.changes import Body, Changes, Create, Event
from aiokai.dialects import Dialect
from aiokai.errors import InvalidObjectError
from aiokai.model.base import Envelope
from aiokai.model.pod_group import GangPhase, PodGroup
from aiokai.model.queue import DEFAULT_QUEUE, Queue

OPEN: Final = "Open"
CLOSING: Final = "Closing"
CLOSED: Final = "Closed"


def default_queue(dialect: Dialect) -> Create:
    """The queue of those who name none; it is there from the start, and nobody's to configure but the users'."""
    resource = dialect.queue.resource
    body = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": DEFAULT_QUEUE},
        "spec": {},
    }
    return Create(resource, body, f"{resource.kind}/{DEFAULT_QUEUE}")


def reconcile(body: Body, pod_groups: Iterable[PodGroup], dialect: Dialect) -> Changes:
    """What is to be done for the Queue in `body` (the whole object, as JSON), given the PodGroups that name it."""
    try:
        queue = dialect.queue.decode(msgspec.convert(body, Envelope))
    except InvalidObjectError:
        # Whoever reads queues says so on it; whether it is open cannot be known.
        return Changes()
    state = _state(queue, pod_groups)
    if state == queue.status.state:
        return Changes()
    events = (Event("Normal", state, f"queue is {state.lower()}"),) if queue.status.state else ()
    return Changes(status={"state": state}, events=events)


def _state(queue: Queue, pod_groups: Iterable[PodGroup]) -> str:
    if queue.spec.state == OPEN:
        return OPEN
    return CLOSING if any(group.status.phase != GangPhase.COMPLETED for group in pod_groups) else CLOSED
