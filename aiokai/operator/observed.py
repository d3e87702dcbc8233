"""What the watches show: one Reflector a kind, each feeding the Cache first and everyone else after it.

Only the main loop runs here. The Cache comes first, so that whoever is told of a change decides from a state that has
it.
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar, cast

import msgspec

from aiokai.client.api import ApiClient
from aiokai.client.reflector import Reflector, Store
from aiokai.dialects import Dialect
from aiokai.dialects.dialect import DialectKind
from aiokai.errors import InvalidObjectError
from aiokai.model.base import Identity
from aiokai.model.kube import (
    KubeStruct,
    Namespace,
    Node,
    ObjectMeta,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    PriorityClass,
)
from aiokai.model.pod_group import PodGroup
from aiokai.model.queue import Queue
from aiokai.model.resource import CLAIMS, NAMESPACES, NODES, PODS, PRIORITY_CLASSES, VOLUMES, Resource
from aiokai.snapshot.cache import Cache

KindT = TypeVar("KindT", bound=KubeStruct)


class Watcher(Protocol):
    """Whoever wants to know what the watches show, after the Cache does."""

    def changed(self) -> None:
        """Something that a decision may depend on."""

    def kind_appeared(self) -> None:
        """A kind of a dialect that the server did not have before."""

    def pod_changed(self, old: Pod | None, new: Pod | None) -> None: ...

    def pod_group_changed(self, old: PodGroup | None, new: PodGroup | None) -> None: ...

    def queue_changed(self, old: Queue | None, new: Queue | None) -> None: ...

    def undecodable(self, kind: DialectKind[Any, Any], metadata: ObjectMeta, error: InvalidObjectError) -> None:
        """An object that cannot be read; the Cache knows."""


class Cluster:
    """The objects that the scheduler reads, and the Cache made of them."""

    def __init__(self, client: ApiClient, dialects: tuple[Dialect, ...], cache: Cache, watcher: Watcher) -> None:
        self.cache = cache
        self._watcher = watcher
        self._pods = self._plain(client, PODS, Pod, self._pod)
        self._nodes = self._plain(client, NODES, Node, self._node)
        self._namespaces = self._plain(client, NAMESPACES, Namespace, self._namespace)
        self._priority_classes = self._plain(client, PRIORITY_CLASSES, PriorityClass, self._priority_class)
        self._claims = self._plain(client, CLAIMS, PersistentVolumeClaim, self._claim)
        self._volumes = self._plain(client, VOLUMES, PersistentVolume, self._volume)
        self._pod_groups = {d.name: self._watch_pod_groups(client, d) for d in dialects}
        self._queues = {d.name: self._watch_queues(client, d) for d in dialects}

    @property
    def pods(self) -> Store[Pod]:
        return self._pods.store

    @property
    def reflectors(self) -> Iterator[Reflector[Any]]:
        yield from (self._nodes, self._namespaces, self._priority_classes, self._volumes, self._claims)
        yield from self._queues.values()
        yield from self._pod_groups.values()
        yield self._pods

    def pod(self, namespace: str, name: str) -> Pod | None:
        return self._pods.store.get((namespace, name))

    def pod_groups(self, dialect: str) -> Store[PodGroup]:
        return self._pod_groups[dialect].store

    def pod_group(self, identity: Identity) -> PodGroup | None:
        return self._pod_groups[identity.dialect].store.get((identity.namespace, identity.name))

    def queues(self, dialect: str) -> Store[Queue]:
        return self._queues[dialect].store

    def queue(self, identity: Identity) -> Queue | None:
        watched = self._queues.get(identity.dialect)
        return watched.store.get(("", identity.name)) if watched is not None else None

    def rebuild(self, cache: Cache) -> None:
        """Put everything into another Cache, which then takes the place of the old one."""
        self.cache = cache
        for node in self._nodes.store.values():
            cache.apply_node(node)
        for namespace in self._namespaces.store.values():
            cache.apply_namespace(namespace)
        for priority_class in self._priority_classes.store.values():
            cache.apply_priority_class(priority_class)
        for volume in self._volumes.store.values():
            cache.apply_volume(volume)
        for claim in self._claims.store.values():
            cache.apply_claim(claim)
        for queues in self._queues.values():
            for queue in queues.store.values():
                cache.apply_queue(queue)
        for dialect, pod_groups in self._pod_groups.items():
            for pod_group in pod_groups.store.values():
                cache.apply_pod_group(pod_group)
            for (namespace, name), (_, error) in pod_groups.undecodable.items():
                cache.invalid(Identity(dialect, namespace, name), str(error))
        for pod in self._pods.store.values():
            cache.apply_pod(pod)

    @staticmethod
    def _plain(
        client: ApiClient, resource: Resource, kind: type[KindT], told: Callable[[KindT | None, KindT | None], None]
    ) -> Reflector[Any]:
        return Reflector[Any](client, resource, msgspec.json.Decoder(kind).decode, told)

    def _custom(
        self,
        client: ApiClient,
        kind: DialectKind[Any, Any],
        told: Callable[[Any, Any], None],
        told_invalid: Callable[[ObjectMeta, InvalidObjectError | None], None],
    ) -> Reflector[Any]:
        def undecodable(metadata: ObjectMeta, error: InvalidObjectError | None) -> None:
            told_invalid(metadata, error)
            if error is not None:
                self._watcher.undecodable(kind, metadata, error)
            self._watcher.changed()

        present = self._watcher.kind_appeared
        return Reflector[Any](client, kind.resource, kind.decode, told, on_undecodable=undecodable, on_present=present)

    def _watch_pod_groups(self, client: ApiClient, dialect: Dialect) -> Reflector[Any]:
        def told_invalid(metadata: ObjectMeta, error: InvalidObjectError | None) -> None:
            identity = Identity(dialect.name, metadata.namespace, metadata.name)
            self.cache.invalid(identity, str(error) if error is not None else None)

        return self._custom(client, dialect.pod_group, self._pod_group, told_invalid)

    def _watch_queues(self, client: ApiClient, dialect: Dialect) -> Reflector[Any]:
        def told_invalid(metadata: ObjectMeta, error: InvalidObjectError | None) -> None:
            if error is None:
                self.cache.forget_queue(Identity(dialect.name, "", metadata.name))

        return self._custom(client, dialect.queue, self._queue, told_invalid)

    def _pod(self, old: Pod | None, new: Pod | None) -> None:
        if new is not None:
            self.cache.apply_pod(new)
        elif old is not None:
            self.cache.remove_pod(old)
        self._watcher.pod_changed(old, new)
        self._watcher.changed()

    def _node(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            self.cache.remove_node(cast("Node", old))
        elif old is not None and _says_the_same(old, new):
            return
        else:
            self.cache.apply_node(new)
        self._watcher.changed()

    def _namespace(self, old: Namespace | None, new: Namespace | None) -> None:
        if new is not None:
            self.cache.apply_namespace(new)
        elif old is not None:
            self.cache.remove_namespace(old)
        self._watcher.changed()

    def _priority_class(self, old: PriorityClass | None, new: PriorityClass | None) -> None:
        if new is not None:
            self.cache.apply_priority_class(new)
        elif old is not None:
            self.cache.remove_priority_class(old)
        self._watcher.changed()

    def _claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if new is not None:
            self.cache.apply_claim(new)
        elif old is not None:
            self.cache.remove_claim(old)
        self._watcher.changed()

    def _volume(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new is not None:
            self.cache.apply_volume(new)
        elif old is not None:
            self.cache.remove_volume(old)
        self._watcher.changed()

    def _pod_group(self, old: PodGroup | None, new: PodGroup | None) -> None:
        if new is not None:
            self.cache.apply_pod_group(new)
        elif old is not None:
            self.cache.remove_pod_group(old)
        self._watcher.pod_group_changed(old, new)
        self._watcher.changed()

    def _queue(self, old: Queue | None, new: Queue | None) -> None:
        if new is not None:
            self.cache.apply_queue(new)
        elif old is not None and ("", old.metadata.name) in self._queues[old.dialect].undecodable:
            return  # Its last spec that could be read stays in force: what uses it must go on being counted.
        elif old is not None:
            self.cache.remove_queue(old)
        self._watcher.queue_changed(old, new)
        self._watcher.changed()


def _says_the_same(old: Node, new: Node) -> bool:
    """True for a heartbeat: nothing that is read differs but the version."""
    version = new.metadata.resource_version
    return msgspec.structs.replace(old.metadata, resource_version=version) == new.metadata and (
        (old.spec, old.status) == (new.spec, new.status)
    )
