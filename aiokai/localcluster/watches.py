"""Watching: a stream of what happens to the objects that a query wants, from a version on.

An event is encoded once and its bytes are shared by all watchers that want it as it is. A watcher sees an object that
starts to match its selectors as added and one that ceases to match as deleted. Events wait in a list between two writes
to the socket, so that a burst is one write; a watcher that falls too far behind is cut off, and resumes by version.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import NamedTuple

from aiokai.localcluster.answers import Form
from aiokai.localcluster.lists import Query
from aiokai.localcluster.objects import Json, encode
from aiokai.localcluster.resources import Resource
from aiokai.localcluster.status import Refusal, expired
from aiokai.localcluster.store import Collection, Event, Store, Stored

DEFAULT_TIMEOUT_S = 1800.0
_BOOKMARK_PERIOD_S = 50.0
_LONGEST_BACKLOG = 100_000
_INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}


class Start(NamedTuple):
    """Where a watch begins, and what it is told."""

    version: int = 0
    """0 for now."""
    initial_events: bool | None = None
    """First all objects that exist; None leaves it to the version: only those who have one know them already."""
    bookmarks: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S


class Watch:
    """One client's watch, from its first byte to its last."""

    def __init__(self, store: Store, resource: Resource, query: Query, start: Start, form: Form) -> None:
        self._store = store
        self._collection: Collection = store.collection(resource.collection)
        self._resource = resource
        self._query = query
        self._start = start
        self._form = form
        self._shared = not form.name and resource.from_stored is None
        self._waiting: list[bytes] = []
        self._woken = asyncio.Event()
        self._closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """What goes to the client, piece by piece.

        Raises: Refusal 410 instead of the first piece if the version is forgotten.
        """
        self._begin()
        self._collection.subscribers.add(self._receive)
        deadline_s = time.monotonic() + self._start.timeout_s
        try:
            while (left_s := deadline_s - time.monotonic()) > 0 and not self._closed:
                if not self._waiting and not await self._wait(min(left_s, _BOOKMARK_PERIOD_S)):
                    if self._start.bookmarks:
                        yield self._bookmark()
                    continue
                batch, self._waiting = self._waiting, []
                self._woken.clear()
                yield b"".join(batch)
        finally:
            self._collection.subscribers.discard(self._receive)

    def close(self) -> None:
        """End the stream after what is on its way."""
        self._closed = True
        self._woken.set()

    def _begin(self) -> None:
        version, initial = self._start.version, self._start.initial_events
        if initial or (initial is None and not version):
            self._show_everything()
        elif version:
            missed = self._collection.since(version)
            if missed is None:
                raise expired(f"too old resource version: {version}")
            for event in missed:
                self._receive(event)

    def _show_everything(self) -> None:
        for stored in self._collection.select(self._query.namespace):
            if self._query.wants(stored):
                self._waiting.append(self._line("ADDED", stored))
        if self._start.initial_events and self._start.bookmarks:
            self._waiting.append(self._bookmark(_INITIAL_EVENTS_END))
        self._woken.set()

    def _receive(self, event: Event) -> None:
        matched = event.previous is not None and self._query.wants(event.previous)
        matches = event.type != "DELETED" and self._query.wants(event.stored)
        if matches:
            self._waiting.append(self._line("MODIFIED" if matched else "ADDED", event.stored))
        elif matched:
            gone = event.stored if event.type == "DELETED" else _at_version(event)
            self._waiting.append(self._line("DELETED", gone))
        else:
            return
        if len(self._waiting) > _LONGEST_BACKLOG:
            self.close()
        self._woken.set()

    async def _wait(self, timeout_s: float) -> bool:
        """True when woken, False when it has been quiet for so long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            return False
        return True

    def _line(self, event_type: str, stored: Stored) -> bytes:
        body = stored.body if self._shared else self._form.one(self._resource, stored)
        return b'{"type":"%b","object":%b}\n' % (event_type.encode(), body)

    def _bookmark(self, annotations: Json | None = None) -> bytes:
        metadata: Json = {"resourceVersion": str(self._store.version), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        body: Json = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": metadata}
        if self._form.name == "Table":
            body |= {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "columnDefinitions": None, "rows": []}
        return encode({"type": "BOOKMARK", "object": body}) + b"\n"


def error_line(refusal: Refusal) -> bytes:
    """How a watch that has begun says what went wrong."""
    return encode({"type": "ERROR", "object": refusal.status()}) + b"\n"


def _at_version(event: Event) -> Stored:
    """The last state that a watcher's selectors matched, at the version in which they ceased to."""
    assert event.previous is not None
    obj = event.previous.decoded()
    obj["metadata"]["resourceVersion"] = str(event.version)
    return replace(event.previous, version=event.version, body=encode(obj))
