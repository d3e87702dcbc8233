"""What goes when something else has gone: dependents of deleted owners, the content of namespaces and of CRDs.

Kubernetes does this in its controller manager; here one task of the server does. It hears of every write, keeps who
owns whom, and deletes in the background through the same door as a client (writes.py), so that finalizers and graceful
deletion hold. It never deletes an object that still has a living owner.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from aiokai.localcluster.crds import CLEANUP
from aiokai.localcluster.objects import Json, Key, dig
from aiokai.localcluster.resources import Catalog, Resource
from aiokai.localcluster.status import Refusal
from aiokai.localcluster.store import Collection, Event, Store, Stored
from aiokai.localcluster.writes import FOREGROUND, ORPHAN, Deletion, Writes

_log = logging.getLogger(__name__)

_NAMESPACES, _DEFINITIONS = "namespaces.", "customresourcedefinitions.apiextensions.k8s.io"


class Place(NamedTuple):
    collection: str
    key: Key


class Garbage:
    """Who owns whom, and the places that need a look."""

    def __init__(self, store: Store, catalog: Catalog, writes: Writes) -> None:
        self._store = store
        self._catalog = catalog
        self._writes = writes
        self._alive: dict[str, Place] = {}
        self._dependents: defaultdict[str, set[Place]] = defaultdict(set)
        self._due: dict[Place, None] = {}
        """Places to look at, in order, each once."""
        self._woken = asyncio.Event()
        self._ending: dict[str, Place] = {}
        """Namespaces and definitions on their way out, by the namespace or collection that must be empty first."""
        store.observers.append(self._observe)

    async def run(self) -> None:
        """Look at places until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._due:
                place = next(iter(self._due))
                del self._due[place]
                try:
                    self._settle(place)
                except Refusal as refusal:
                    _log.info("left %s %s alone: %s", place.collection, place.key, refusal.message)
                # Requests get their turn between two deletions.
                await asyncio.sleep(0)

    def _look_at(self, place: Place) -> None:
        self._due[place] = None
        self._woken.set()

    def _observe(self, collection: Collection, event: Event) -> None:
        stored, place = event.stored, Place(collection.name, event.stored.key)
        if event.type == "DELETED":
            self._forget(stored, place)
            return
        self._alive[stored.uid] = place
        before = event.previous.owners if event.previous else ()
        for uid in set(before) - set(stored.owners):
            self._dependents[uid].discard(place)
        for uid in stored.owners:
            self._dependents[uid].add(place)
        if any(uid not in self._alive for uid in stored.owners) or stored.ending:
            self._look_at(place)

    def _forget(self, stored: Stored, place: Place) -> None:
        self._alive.pop(stored.uid, None)
        for uid in stored.owners:
            self._dependents[uid].discard(place)
            # An owner that waits for its dependents may be free now.
            if uid in self._alive and self._is_waiting(self._alive[uid]):
                self._look_at(self._alive[uid])
        for dependent in self._dependents.pop(stored.uid, ()):
            self._look_at(dependent)
        for name in (stored.key[0], place.collection):
            if name in self._ending:
                self._look_at(self._ending[name])
        if place.collection in (_NAMESPACES, _DEFINITIONS):
            self._ending = {name: ending for name, ending in self._ending.items() if ending != place}

    def _is_waiting(self, place: Place) -> bool:
        found = self._store.collection(place.collection).objects.get(place.key)
        return found is not None and found.ending

    def _settle(self, place: Place) -> None:
        """Do what one object needs now: nothing, to lose owners, to go, or to make its dependents go."""
        stored = self._store.collection(place.collection).objects.get(place.key)
        if stored is None:
            return
        resource = self._catalog.of_collection(place.collection)
        obj = stored.decoded()
        if "deletionTimestamp" in obj["metadata"]:
            self._help_to_end(resource, place, obj)
        elif stored.owners:
            self._settle_owners(resource, stored)

    def _settle_owners(self, resource: Resource, stored: Stored) -> None:
        alive = [uid for uid in stored.owners if uid in self._alive]
        if not alive:
            self._writes.delete(resource, stored.key, Deletion(uid=stored.uid))
        elif len(alive) < len(stored.owners):
            self._writes.update(resource, stored.key, lambda obj: _with_owners(obj, set(alive)))

    def _help_to_end(self, resource: Resource, place: Place, obj: Json) -> None:
        finalizers = obj["metadata"].get("finalizers") or ()
        if place.collection == _NAMESPACES:
            self._empty_namespace(place)
        if CLEANUP in finalizers:
            self._empty_definition(resource, place, obj)
        dependents = list(self._dependents.get(obj["metadata"]["uid"], ()))
        if ORPHAN in finalizers:
            self._orphan(resource, place, obj, dependents)
        elif FOREGROUND in finalizers:
            self._end_dependents(resource, place, obj, dependents)

    def _empty_namespace(self, place: Place) -> None:
        name = place.key[1]
        if name not in self._ending:
            # Once is enough: nothing new comes into a namespace that is being terminated.
            self._ending[name] = place
            for collection, stored in list(self._content(name)):
                self._delete_quietly(collection.name, stored)
        if next(self._content(name), None) is None:
            self._writes.finish_namespace(name)

    def _content(self, namespace: str) -> Iterator[tuple[Collection, Stored]]:
        for collection in self._store.collections():
            for stored in collection.select(namespace):
                yield collection, stored

    def _empty_definition(self, resource: Resource, place: Place, definition: Json) -> None:
        name = f"{dig(definition, 'spec', 'names', 'plural')}.{dig(definition, 'spec', 'group')}"
        self._ending[name] = place
        content = list(self._store.collection(name).objects.values())
        if not content:
            self._writes.update(resource, place.key, lambda obj: _without_finalizer(obj, CLEANUP))
        for stored in content:
            self._delete_quietly(name, stored)

    def _orphan(self, resource: Resource, place: Place, owner: Json, dependents: list[Place]) -> None:
        for dependent in dependents:
            stored = self._store.collection(dependent.collection).objects[dependent.key]
            kept = set(stored.owners) - {owner["metadata"]["uid"]}
            kind = self._catalog.of_collection(dependent.collection)
            self._writes.update(kind, dependent.key, lambda obj, kept=kept: _with_owners(obj, kept))  # type: ignore[misc]
        self._writes.update(resource, place.key, lambda obj: _without_finalizer(obj, ORPHAN))

    def _end_dependents(self, resource: Resource, place: Place, owner: Json, dependents: list[Place]) -> None:
        blocking = False
        for dependent in dependents:
            stored = self._store.collection(dependent.collection).objects[dependent.key]
            blocking = blocking or _blocks(stored.decoded(), owner["metadata"]["uid"])
            self._delete_quietly(dependent.collection, stored)
        if not blocking:
            self._writes.update(resource, place.key, lambda obj: _without_finalizer(obj, FOREGROUND))

    def _delete_quietly(self, collection: str, stored: Stored) -> None:
        if not stored.ending:
            self._writes.delete(self._catalog.of_collection(collection), stored.key, Deletion(uid=stored.uid))


def _with_owners(obj: Json, uids: set[str]) -> Json:
    owners = [owner for owner in obj["metadata"].get("ownerReferences") or () if owner["uid"] in uids]
    obj["metadata"]["ownerReferences"] = owners
    return obj


def _without_finalizer(obj: Json, finalizer: str) -> Json:
    obj["metadata"]["finalizers"] = [name for name in obj["metadata"]["finalizers"] if name != finalizer]
    return obj


def _blocks(obj: Json, owner_uid: str) -> bool:
    owners = obj["metadata"].get("ownerReferences") or ()
    return any(owner["uid"] == owner_uid and owner.get("blockOwnerDeletion") for owner in owners)
