"""A copy of one collection of the API server, kept current, and what changes in it.

List in pages, then watch from the list's version. The server ends watches when it likes, under bursts within seconds,
so an end is no event: the next watch starts at once from the last version seen. Only when the server has forgotten that
version is the list taken again and *compared with the store*, since the deletions in between were never sent.

Operator and kubelets both stand on this, so it lives beside the client that it reads from. What must never happen here:
- a change is lost: handlers see each object added, changed and deleted in turn, whatever happens to the connection;
- one object stops the others: one that cannot be decoded is reported, and until it can be is treated as not there,
  exactly as after a restart;
- a tight loop: only a watch that brought something is followed by the next one without a delay.
An API that is missing or forbidden is no failure of the program: it is named once, asked for again now and then, and
what the store holds stays.
"""

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Final, Generic, NoReturn, Protocol, TypeVar

import msgspec

from aiokai.client.answers import decode as decode_json
from aiokai.client.answers import invalid_object
from aiokai.client.api import INACTIVITY_LIMIT_S, PAGE_SIZE, ApiClient
from aiokai.client.backoff import Backoff, jittered_s
from aiokai.errors import ApiError, ExpiredError, InvalidObjectError, UnavailableError
from aiokai.model.kube import KubeStruct, ObjectMeta
from aiokai.model.resource import Resource

log = logging.getLogger(__name__)

ABSENT_RETRY_S: Final = 10.0
"""Between two tries of an API that is missing or forbidden."""
BARREN_S: Final = 1.0
"""A watch that ends sooner than this without an event is followed by a delay."""

Key = tuple[str, str]
"""Namespace and name; the namespace of a cluster-wide object is empty."""


class Object(Protocol):
    @property
    def metadata(self) -> ObjectMeta: ...


T = TypeVar("T", bound=Object)


class Store(dict[Key, T]):
    """The objects of a collection by namespace and name, as they were at `version`. Only its Reflector writes to it."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    async def seen(self, resource_version: str) -> None:
        """Wait until everything up to `resource_version` is here: after a write, until the store shows it."""
        version = int(resource_version)
        if self.version >= version:
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (version, next(self._order), turn))
        await turn

    def advance(self, version: int) -> None:
        """Everything up to `version` is here now."""
        self.version = version
        while self._waiting and self._waiting[0][0] <= version:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)


class Reflector(Generic[T]):
    """Keeps `store` equal to a collection, and tells `on_change`.

    Attributes:
        store: the objects that could be decoded.
        undecodable: what can be read of the others, and why they are here.
        synced: set once the first list is in the store, or the API turned out to be absent.
        absent: why there is nothing to list, if the API is missing or forbidden now.
        failures: times that a list or watch ended in an error; the server's orderly end of a watch is none.
    """

    def __init__(
        self,
        client: ApiClient,
        resource: Resource,
        decode: Callable[[bytes], T],
        on_change: Callable[[T | None, T | None], None],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        on_undecodable: Callable[[ObjectMeta, InvalidObjectError | None], None] | None = None,
        on_present: Callable[[], None] | None = None,
        page_size: int = PAGE_SIZE,
        inactivity_limit_s: float = INACTIVITY_LIMIT_S,
    ) -> None:
        """Prepare; `run()` does it.

        Args:
            client: where from.
            resource: which collection.
            decode: one object from its JSON, such as `msgspec.json.Decoder(Pod).decode`.
            on_change: called with the old and the new object after the store has changed; the old one is None for an
                added, the new one for a deleted object. Plain and quick: the loop waits for it.
            namespace: only there; everywhere if empty.
            label_selector: only objects that it selects.
            field_selector: only objects that it selects.
            on_undecodable: called with what can be read of an object that `decode` refused, and why; with None once it
                is gone.
            on_present: called when the API, which was absent, is there.
            page_size: objects a page of the list.
            inactivity_limit_s: silence after which a watch counts as dead.
        """
        self.resource = resource
        self.store: Store[T] = Store()
        self.undecodable: dict[Key, tuple[ObjectMeta, InvalidObjectError]] = {}
        self.synced = asyncio.Event()
        self.absent: ApiError | None = None
        self.failures = 0
        self._client = client
        self._decode = decode
        self._on_change = on_change
        self._on_undecodable = on_undecodable
        self._on_present = on_present
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._page_size = page_size
        self._inactivity_limit_s = inactivity_limit_s
        self._version = ""
        self._backoff = Backoff()

    async def run(self) -> NoReturn:
        """Follow the collection until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                if not await self._watch():
                    await asyncio.sleep(self._backoff.next_s())
            except ApiError as error:
                await asyncio.sleep(self._delay_after_s(error))

    def _delay_after_s(self, error: ApiError) -> float:
        """How to go on: name what went wrong, and say how long to wait."""
        self.failures += 1
        asked_s = error.retry_after_s or 0.0
        if error.code in (403, 404):
            self._name_absent(error)
            return max(jittered_s(ABSENT_RETRY_S), asked_s)
        delay_s = self._backoff.next_s(asked_s)
        if isinstance(error, ExpiredError):
            self._version = ""
            log.info("%s: listed again: %s", self.resource, error, extra=self._fields)
            return delay_s
        fields = {**self._fields, "code": error.code, "reason": error.reason}
        log.warning("%s: tried again in %.1f s: %s", self.resource, delay_s, error, extra=fields)
        return delay_s

    def _name_absent(self, error: ApiError) -> None:
        if self.absent is None:
            word = "missing" if error.code == 404 else "forbidden"
            log.warning("%s: %s, asked for again now and then: %s", self.resource, word, error, extra=self._fields)
        self.absent = error
        self._version = ""
        self.synced.set()

    @property
    def _fields(self) -> dict[str, object]:
        return {"resource": str(self.resource), "namespace": self._namespace, "version": self.store.version}

    async def _list(self) -> None:
        """Make the store equal to the collection as it is now."""
        listed: set[Key] = set()
        known_undecodable, self.undecodable = self.undecodable, {}
        version = ""
        pages = self._client.list_pages(
            self.resource,
            self._namespace,
            into=msgspec.Raw,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            page_size=self._page_size,
        )
        async with aclosing(pages):
            async for page in pages:
                for raw in page.items:
                    new = self._decoded(raw)
                    if new is not None:
                        listed.add(_key(new))
                        self._put(new)
                version = page.metadata.resource_version
        if not version:
            raise UnavailableError(f"{self.resource}: the answer is no list")
        for key in self.store.keys() - listed:
            self._remove(key)
        for key in known_undecodable.keys() - self.undecodable.keys() - listed:
            self._tell_undecodable(known_undecodable[key][0], None)
        self._reached(version)
        if self.absent or not self.synced.is_set():
            log.info("%s: %d objects", self.resource, len(self.store), extra=self._fields)
        was_absent, self.absent = self.absent is not None, None
        self.synced.set()
        if was_absent and self._on_present:
            self._on_present()

    async def _watch(self) -> bool:
        """Follow the collection until the server ends the stream.

        Returns: False if it did so right away, without a word.
        """
        began = asyncio.get_running_loop().time()
        told = False
        events = self._client.watch(
            self.resource,
            self._namespace,
            into=msgspec.Raw,
            resource_version=self._version,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            inactivity_limit_s=self._inactivity_limit_s,
        )
        async with aclosing(events):
            async for event in events:
                if not told:
                    told = True
                    self._backoff.reset()
                if event.type == "BOOKMARK":
                    self._reached(_head(event.object).resource_version)
                elif event.type == "DELETED":
                    self._follow_deletion(_head(event.object))
                else:
                    self._follow_change(event.object)
        return told or asyncio.get_running_loop().time() - began >= BARREN_S

    def _follow_change(self, raw: msgspec.Raw) -> None:
        new = self._decoded(raw)
        if new is not None:
            self._put(new)
            self._reached(new.metadata.resource_version)
            return
        # The version that was fine is no longer the truth, and a restart would not find it.
        metadata = _head(raw)
        self._remove((metadata.namespace, metadata.name))
        self._reached(metadata.resource_version)

    def _follow_deletion(self, metadata: ObjectMeta) -> None:
        key = (metadata.namespace, metadata.name)
        self._remove(key)
        if self.undecodable.pop(key, None) is not None:
            self._tell_undecodable(metadata, None)
        self._reached(metadata.resource_version)

    def _reached(self, version: str) -> None:
        self._version = version
        self.store.advance(int(version))

    def _put(self, new: T) -> None:
        key = _key(new)
        self.undecodable.pop(key, None)
        old = self.store.get(key)
        if old is not None and old.metadata.resource_version == new.metadata.resource_version:
            return
        self.store[key] = new
        if old is not None and old.metadata.uid != new.metadata.uid:
            # Deleted and made again between two lists: for whoever counts, two objects.
            self._on_change(old, None)
            old = None
        self._on_change(old, new)

    def _remove(self, key: Key) -> None:
        old = self.store.pop(key, None)
        if old is not None:
            self._on_change(old, None)

    def _decoded(self, raw: msgspec.Raw) -> T | None:
        try:
            return self._decode(bytes(raw))
        except InvalidObjectError as error:
            problem = error
        except msgspec.ValidationError as error:
            problem = invalid_object(error)
        except ValueError as error:
            problem = InvalidObjectError("", str(error))
        metadata = _head(raw)
        log.warning(
            "%s %s/%s cannot be read: %s", self.resource, metadata.namespace, metadata.name, problem,
            extra={**self._fields, "object": f"{metadata.namespace}/{metadata.name}", "path": problem.path},
        )  # fmt: skip
        self.undecodable[metadata.namespace, metadata.name] = metadata, problem
        self._tell_undecodable(metadata, problem)
        return None

    def _tell_undecodable(self, metadata: ObjectMeta, problem: InvalidObjectError | None) -> None:
        if self._on_undecodable:
            self._on_undecodable(metadata, problem)


class _Name(KubeStruct, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class _Head(KubeStruct, frozen=True):
    """What can be read of every object and bookmark, whatever else is in it."""

    metadata: _Name = _Name()


def _head(raw: msgspec.Raw) -> ObjectMeta:
    name = decode_json(_Head, raw).metadata
    return ObjectMeta(name.name, name.namespace, name.uid, name.resource_version)


def _key(obj: Object) -> Key:
    return obj.metadata.namespace, obj.metadata.name
