"""One Event per gang and decision: what `kubectl describe` shows below an object.

Saying the same again within ten minutes raises the count of the first Event, at most once a minute; there is never an
Event per pod. Events are lost without harm, so they wait behind every other write.
"""

import logging
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from aiokai.client.api import ApiClient
from aiokai.model.resource import EVENTS
from aiokai.operator.writes import LowPriorityWrites

log = logging.getLogger(__name__)

SAME_FOR_S: Final = 600.0
COUNT_EVERY_S: Final = 60.0
REMEMBERED: Final = 4096
MESSAGE_LIMIT: Final = 1024
COMPONENT: Final = "aiokai"


class Regarding(NamedTuple):
    """The object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(slots=True)
class _Said:
    name: str
    count: int
    first: datetime
    written: datetime


class EventRecorder:
    """Posts Events, each fact once."""

    def __init__(self, client: ApiClient, writes: LowPriorityWrites, now: Callable[[], datetime] | None = None) -> None:
        self._client = client
        self._writes = writes
        self._now = now or (lambda: datetime.now(UTC))
        self._said: OrderedDict[tuple[str, str, str], _Said] = OrderedDict()

    def record(self, about: Regarding, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Say `message` about an object, or count it if it was said a while ago."""
        key = (about.uid, reason, message)
        now = self._now()
        said = self._said.get(key)
        if said is None or (now - said.written).total_seconds() > SAME_FOR_S:
            name = f"{about.name[:220]}.{uuid.uuid4().hex[:16]}"
            self._remember(key, _Said(name, 1, now, now))
            self._writes.submit(("event", name), lambda: self._create(name, about, kind, reason, message, now))
            return
        said.count += 1
        if (now - said.written).total_seconds() >= COUNT_EVERY_S:
            said.written = now
            self._writes.submit(("event", said.name), lambda: self._count(about, said.name, said.count, now))

    def _remember(self, key: tuple[str, str, str], said: _Said) -> None:
        self._said[key] = said
        if len(self._said) > REMEMBERED:
            self._said.popitem(last=False)

    async def _create(
        self, name: str, about: Regarding, kind: str, reason: str, message: str, now: datetime
    ) -> None:  # fmt: skip
        namespace = about.namespace or "default"
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "namespace": about.namespace,
                "name": about.name,
                "uid": about.uid,
            },
            "type": kind,
            "reason": reason,
            "message": message[:MESSAGE_LIMIT],
            "source": {"component": COMPONENT},
            "firstTimestamp": kubernetes_time(now),
            "lastTimestamp": kubernetes_time(now),
            "count": 1,
        }
        await self._client.create(EVENTS, body, namespace, into=bytes)

    async def _count(self, about: Regarding, name: str, count: int, now: datetime) -> None:
        body = {"count": count, "lastTimestamp": kubernetes_time(now)}
        await self._client.patch(EVENTS, name, body, about.namespace or "default", into=bytes)


def kubernetes_time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
