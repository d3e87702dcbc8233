"""The objects of the cluster, their versions, and what happened to them.

One counter numbers every write. A collection holds the newest version of each object of one kind, in key order, and a
bounded log of the writes behind it: a watch that resumes is a bisection of that log, and a page of an older listing is
the present with the later writes taken back. Objects are kept as the bytes that clients get, encoded once per write and
shared by every reader: that is less memory and less work than kept dicts (1.5 kB against 10 kB for a pod), and nobody
can change what is stored. What selectors and the garbage collector ask is kept beside the bytes.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from typing import Literal, Protocol

from sortedcontainers import SortedDict

from aiokai.localcluster.objects import Json, Key, decode, encode, key_of, with_head

LOG_LIMIT = 50_000
"""Events kept per collection, at least; up to twice as many before the older half goes."""

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one object."""

    key: Key
    version: int
    uid: str
    body: bytes
    """JSON that begins with apiVersion and kind, so that a list can leave them out by cutting."""
    labels: Mapping[str, str]
    fields: Mapping[str, str]
    """What field selectors may ask, by path."""
    ending: bool
    """It is being deleted."""
    owners: tuple[str, ...]
    """The uids that its owner references name."""

    def decoded(self) -> Json:
        """A private copy, free to be changed."""
        obj: Json = decode(self.body)
        return obj


@dataclass(frozen=True, slots=True)
class Event:
    type: EventType
    stored: Stored
    previous: Stored | None

    @property
    def version(self) -> int:
        return self.stored.version


class Subscriber(Protocol):
    def __call__(self, event: Event, /) -> None: ...


class Collection:
    """The objects of one kind, and the log of writes to them."""

    def __init__(self, name: str, born: int) -> None:
        self.name = name
        self.objects: SortedDict[Key, Stored] = SortedDict()
        self.subscribers: set[Subscriber] = set()
        self._log: list[Event] = []
        self._forgotten = born

    def select(self, namespace: str, after: Key | None = None) -> Iterator[Stored]:
        """Objects of one namespace (of all, if empty) in key order, those behind `after`."""
        start = max(after or (namespace, ""), (namespace, ""))
        for key in self.objects.irange(start, inclusive=(after is None, True)):
            if namespace and key[0] != namespace:
                return
            yield self.objects[key]

    def select_at(self, version: int, namespace: str, after: Key | None) -> Iterator[Stored] | None:
        """As `select`, but as it was at `version`; None if the log no longer reaches back."""
        later = self.since(version)
        if later is None:
            return None
        before = {event.stored.key: event.previous for event in reversed(later)}
        untouched = (stored for stored in self.select(namespace, after) if stored.key not in before)
        touched = sorted(
            (stored for stored in before.values() if stored is not None and _is_wanted(stored.key, namespace, after)),
            key=lambda stored: stored.key,
        )
        return merge(untouched, touched, key=lambda stored: stored.key)

    def count_after(self, key: Key, namespace: str) -> int:
        """How many objects of the namespace (of all, if empty) come behind a key."""
        # No name holds a zero byte, so this key comes behind all of the namespace and before the next one.
        end = self.objects.bisect_left((namespace + "\0", "")) if namespace else len(self.objects)
        return int(end - self.objects.bisect_right(key))

    def since(self, version: int) -> list[Event] | None:
        """Events later than `version`; None if some of them are forgotten."""
        if version < self._forgotten:
            return None
        return self._log[bisect_right(self._log, version, key=lambda event: event.version) :]

    def record(self, event: Event) -> None:
        if event.type == "DELETED":
            self.objects.pop(event.stored.key)
        else:
            self.objects[event.stored.key] = event.stored
        self._log.append(event)
        if len(self._log) >= 2 * LOG_LIMIT:
            self._forgotten = self._log[LOG_LIMIT - 1].version
            del self._log[:LOG_LIMIT]
        for subscriber in tuple(self.subscribers):
            subscriber(event)


class Store:
    """All collections, and the counter that orders every write."""

    def __init__(self) -> None:
        # Milliseconds since 1970: a version that a client learned from an earlier server is recognised as too old.
        self.version = self._born = int(time.time() * 1000)
        self.observers: list[Callable[[Collection, Event], None]] = []
        """Told of every write after watchers are; they must not write themselves."""
        self._collections: dict[str, Collection] = {}

    def collection(self, name: str) -> Collection:
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = Collection(name, self._born)
        return found

    def collections(self) -> list[Collection]:
        return list(self._collections.values())

    def put(self, collection: Collection, obj: Json, fields: Mapping[str, str]) -> Stored:
        """Write a new or changed object; it gets its new version here."""
        previous = collection.objects.get(key_of(obj))
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        stored = sealed(obj, self.version, fields)
        self._publish(collection, Event("MODIFIED" if previous else "ADDED", stored, previous))
        return stored

    def remove(self, collection: Collection, obj: Json, fields: Mapping[str, str]) -> Stored:
        """Remove an object; `obj` is its last state, as watchers will see it."""
        previous = collection.objects[key_of(obj)]
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        stored = sealed(obj, self.version, fields)
        self._publish(collection, Event("DELETED", stored, previous))
        return stored

    def _publish(self, collection: Collection, event: Event) -> None:
        collection.record(event)
        for observer in self.observers:
            observer(collection, event)


def _is_wanted(key: Key, namespace: str, after: Key | None) -> bool:
    return (not namespace or key[0] == namespace) and (after is None or key > after)


def sealed(obj: Json, version: int, fields: Mapping[str, str]) -> Stored:
    """An object as it is kept, at a version; its own text of the version is left as it is."""
    metadata = obj["metadata"]
    return Stored(
        key=key_of(obj),
        version=version,
        uid=metadata["uid"],
        body=encode(with_head(obj)),
        labels=metadata.get("labels") or {},
        fields=fields,
        ending="deletionTimestamp" in metadata,
        owners=tuple(owner["uid"] for owner in metadata.get("ownerReferences") or ()),
    )
