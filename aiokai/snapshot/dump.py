"""The full form of a case: Kubernetes and native objects, as they are read from a file and written to one.

Written is the typed subset that the scheduler reads and nothing else: no environment, no arguments, no managed fields,
no annotation or label that nobody looks at. What is read may say more, as `kubectl get -o yaml` does: fields that the
scheduler does not read are dropped, as they are at the watch. In objects of our own kinds an unknown field is an error.
Objects of other systems are read and written through their dialects.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from aiokai.devices import fraction, vgpu
from aiokai.dialects import AIOKAI, DIALECTS, Dialect, DialectKind
from aiokai.errors import InvalidObjectError
from aiokai.model import keys, kube
from aiokai.model.base import Custom, Envelope, Identity, SpecT, StatusT
from aiokai.model.configuration import Configuration
from aiokai.model.pod_group import PodGroup, PodGroupSpec
from aiokai.model.queue import Queue, QueueSpec
from aiokai.snapshot.build import Objects
from aiokai.snapshot.case_model import UNSUPPORTED
from aiokai.snapshot.strict import convert, refuse_unknown
from aiokai.snapshot.yaml_text import write_yaml

Json = dict[str, Any]
StructT = TypeVar("StructT", bound=kube.KubeStruct)

POD_KEYS: Final = frozenset(
    {key for d in DIALECTS.values() for key in (d.keys.pod_group, *d.keys.pod_group_aliases, d.keys.queue,
     *d.keys.queue_aliases, d.keys.subgroup, d.keys.task)}
    | {*fraction.ANNOTATIONS, vgpu.ALLOCATED}
)  # fmt: skip
NODE_KEYS: Final = frozenset({vgpu.REGISTER})
NAMESPACE_KEYS: Final = frozenset(key for d in DIALECTS.values() for key in (d.keys.queue, *d.keys.queue_aliases))
GROUP_KEYS: Final = frozenset({keys.SCHEDULING})
"""Annotations that the scheduler reads."""

Plain = kube.Pod | kube.Node | kube.Namespace | kube.PriorityClass | kube.PersistentVolume | kube.PersistentVolumeClaim
"""What is dumped as it is read."""

_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
_ALSO: Final = {"PriorityClass": frozenset({"value", "globalDefault", "preemptionPolicy", "description"})}
_QUEUES: Final = {(d.queue.resource.api_version, d.queue.resource.kind): d for d in DIALECTS.values()}
_GROUPS: Final = {(d.pod_group.resource.api_version, d.pod_group.resource.kind): d for d in DIALECTS.values()}
_JOBS: Final = {(d.job.resource.api_version, d.job.resource.kind) for d in DIALECTS.values()}


class RawGroup(NamedTuple):
    """A PodGroup that cannot be decoded, as it came."""

    dialect: str
    envelope: Envelope


@dataclass(slots=True)
class Collected:
    """Objects as they come along, by what names them: no name occurs twice."""

    nodes: dict[str, kube.Node] = field(default_factory=dict)
    pods: dict[tuple[str, str], kube.Pod] = field(default_factory=dict)
    queues: dict[Identity, Queue] = field(default_factory=dict)
    pod_groups: dict[Identity, PodGroup] = field(default_factory=dict)
    invalid: dict[Identity, str] = field(default_factory=dict)
    namespaces: dict[str, kube.Namespace] = field(default_factory=dict)
    priority_classes: dict[str, kube.PriorityClass] = field(default_factory=dict)
    claims: dict[tuple[str, str], kube.PersistentVolumeClaim] = field(default_factory=dict)
    volumes: dict[str, kube.PersistentVolume] = field(default_factory=dict)

    def objects(self) -> Objects:
        return Objects(
            tuple(self.nodes.values()),
            tuple(self.pods.values()),
            tuple(self.queues.values()),
            tuple(self.pod_groups.values()),
            self.invalid,
            tuple(self.namespaces.values()),
            tuple(self.priority_classes.values()),
            tuple(self.claims.values()),
            tuple(self.volumes.values()),
        )


KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


def put(known: dict[KeyT, ValueT], key: KeyT, value: ValueT, path: str) -> None:
    """Add what must not be there yet.

    Raises:
        InvalidObjectError: it is.
    """
    if key in known:
        name = "/".join(filter(None, key)) if isinstance(key, tuple) else key
        raise InvalidObjectError(path, f"{name} occurs twice")
    known[key] = value


def collect(content: object, into: Collected, now: datetime, path: str = "objects") -> None:
    """Read a list of objects, those of kind List included.

    Raises:
        InvalidObjectError: names the first one that cannot be used. A PodGroup of ours with wrong values is no such:
            as in a cluster it makes its gang wait with reason Invalid.
    """
    if not isinstance(content, list):
        raise InvalidObjectError(path, "is not a list of objects")
    for i, one in enumerate(content):
        where = f"{path}[{i}]"
        if not isinstance(one, dict):
            raise InvalidObjectError(where, "is not an object")
        if one.get("kind") == "List":
            collect(one.get("items"), into, now, f"{where}.items")
        else:
            _collect_one(one, into, now, where)


def _collect_one(content: Json, into: Collected, now: datetime, path: str) -> None:
    version, kind = content.get("apiVersion"), str(content.get("kind"))
    for name in content:
        if name not in _FIELDS | _ALSO.get(kind, frozenset()):
            raise InvalidObjectError(f"{path}.{name}", "unknown field")
    content = {**content, "metadata": content.get("metadata") or {}}
    if not isinstance(content["metadata"], dict) or not content["metadata"].get("name"):
        raise InvalidObjectError(f"{path}.metadata.name", "is missing")
    match version, kind:
        case ("v1", "Pod"):
            pod = _pod(content, now, path)
            put(into.pods, (pod.metadata.namespace, pod.metadata.name), pod, path)
        case ("v1", "Node"):
            _put_plain(into.nodes, kube.Node, content, path)
        case ("v1", "Namespace"):
            _put_plain(into.namespaces, kube.Namespace, content, path)
        case ("scheduling.k8s.io/v1", "PriorityClass"):
            _put_plain(into.priority_classes, kube.PriorityClass, content, path)
        case ("v1", "PersistentVolume"):
            _put_plain(into.volumes, kube.PersistentVolume, content, path)
        case ("v1", "PersistentVolumeClaim"):
            claim = convert(kube.PersistentVolumeClaim, content, path)
            meta = msgspec.structs.replace(claim.metadata, namespace=claim.metadata.namespace or "default")
            put(into.claims, (meta.namespace, meta.name), msgspec.structs.replace(claim, metadata=meta), path)
        case _ if dialect := _QUEUES.get((str(version), kind)):
            _collect_queue(dialect, content, into, path)
        case _ if dialect := _GROUPS.get((str(version), kind)):
            _collect_group(dialect, content, into, now, path)
        case _ if (version, kind) in _JOBS:
            raise InvalidObjectError(path, "a Job is not replayed: give its PodGroup and its pods")
        case _:
            raise InvalidObjectError(path, f"kind {kind} of {version} {UNSUPPORTED}")


def _pod(content: Json, now: datetime, path: str) -> kube.Pod:
    pod = convert(kube.Pod, content, path)
    namespace = pod.metadata.namespace or "default"
    meta = msgspec.structs.replace(
        pod.metadata,
        namespace=namespace,
        uid=pod.metadata.uid or f"{namespace}/{pod.metadata.name}",
        creation_timestamp=pod.metadata.creation_timestamp or now,
    )
    return msgspec.structs.replace(pod, metadata=meta)


def _put_plain(known: dict[str, StructT], kind: type[StructT], content: Json, path: str) -> None:
    put(known, content["metadata"]["name"], convert(kind, content, path), path)


def _envelope(dialect: Dialect, content: Json, spec: type[Any], path: str) -> Envelope:
    if dialect is AIOKAI:
        refuse_unknown(spec, content.get("spec"), f"{path}.spec")
    return convert(Envelope, content, path)


def _collect_queue(dialect: Dialect, content: Json, into: Collected, path: str) -> None:
    envelope = _envelope(dialect, content, QueueSpec, path)
    try:
        queue = dialect.queue.decode(envelope)
    except InvalidObjectError as error:
        raise InvalidObjectError(f"{path}.{error.path}", error.reason) from error
    put(into.queues, queue.identity, queue, path)


def _collect_group(dialect: Dialect, content: Json, into: Collected, now: datetime, path: str) -> None:
    envelope = _envelope(dialect, content, PodGroupSpec, path)
    meta = msgspec.structs.replace(
        envelope.metadata,
        namespace=envelope.metadata.namespace or "default",
        creation_timestamp=envelope.metadata.creation_timestamp or now,
    )
    identity = Identity(dialect.name, meta.namespace, meta.name)
    if identity in into.invalid:
        raise InvalidObjectError(path, f"{identity} occurs twice")
    try:
        group = dialect.pod_group.decode(Envelope(meta, envelope.spec, envelope.status))
    except InvalidObjectError as error:
        put(into.invalid, identity, str(error), path)
        return
    put(into.pod_groups, identity, group, path)


# Writing


def dump(
    objects: Objects, invalid: Iterable[RawGroup], configuration: Configuration, now: datetime, source: str
) -> str:
    """A cluster's state as a case file in full form.

    Args:
        objects: what is there, without what cannot be decoded.
        invalid: PodGroups that cannot be decoded, as they came.
        configuration: by which it is scheduled.
        now: when it was so.
        source: where it comes from, for people.
    """
    return write_yaml(
        {
            "source": source,
            "now": now.isoformat(),
            "config": configuration.model_dump(mode="json", by_alias=True),
            "objects": [*_written(objects), *map(_raw_group, invalid)],
        }
    )


def _written(objects: Objects) -> Iterator[Json]:
    for priority_class in objects.priority_classes:
        yield _object("scheduling.k8s.io/v1", "PriorityClass", priority_class)
    for namespace in objects.namespaces:
        yield _object("v1", "Namespace", namespace, NAMESPACE_KEYS)
    for volume in objects.volumes:
        yield _object("v1", "PersistentVolume", volume, all_labels=True)
    for claim in objects.claims:
        yield _object("v1", "PersistentVolumeClaim", claim)
    for queue in objects.queues:
        yield _custom(queue, DIALECTS[queue.dialect].queue)
    for node in objects.nodes:
        yield _object("v1", "Node", _lean_node(node), NODE_KEYS, all_labels=True)
    for group in objects.pod_groups:
        yield _custom(group, DIALECTS[group.dialect].pod_group)
    for pod in objects.pods:
        yield _object("v1", "Pod", _lean_pod(pod), POD_KEYS)


def _object(
    version: str,
    kind: str,
    value: Plain,
    read: frozenset[str] = frozenset(),
    *,
    all_labels: bool = False,
) -> Json:
    lean = msgspec.structs.replace(value, metadata=_lean_meta(value.metadata, read, all_labels=all_labels))
    return {"apiVersion": version, "kind": kind, **msgspec.to_builtins(lean)}


def _custom(value: Custom[SpecT, StatusT], kind: DialectKind[SpecT, StatusT]) -> Json:
    written: Json = {
        "apiVersion": kind.resource.api_version,
        "kind": kind.resource.kind,
        "metadata": msgspec.to_builtins(_lean_meta(value.metadata, GROUP_KEYS)),
        "spec": kind.encode_spec(value.spec),
        "status": kind.encode_status(value.status),
    }
    return {name: part for name, part in written.items() if part}


def _raw_group(raw: RawGroup) -> Json:
    resource = DIALECTS[raw.dialect].pod_group.resource
    meta = msgspec.to_builtins(_lean_meta(raw.envelope.metadata, frozenset()))
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, "spec": raw.envelope.spec}


def _lean_meta(meta: kube.ObjectMeta, read: frozenset[str], *, all_labels: bool = False) -> kube.ObjectMeta:
    return kube.ObjectMeta(
        name=meta.name,
        namespace=meta.namespace,
        uid=meta.uid,
        creation_timestamp=meta.creation_timestamp,
        deletion_timestamp=meta.deletion_timestamp,
        labels=meta.labels if all_labels else _only(meta.labels, read),
        annotations=_only(meta.annotations, read),
    )


def _only(values: Mapping[str, str] | None, read: frozenset[str]) -> dict[str, str] | None:
    return {key: value for key, value in (values or {}).items() if key in read} or None


def _lean_node(node: kube.Node) -> kube.Node:
    ready = tuple(kube.Condition(c.type, c.status) for c in node.status.conditions if c.type == "Ready")
    return msgspec.structs.replace(node, status=kube.NodeStatus(node.status.allocatable, ready))


def _lean_pod(pod: kube.Pod) -> kube.Pod:
    return msgspec.structs.replace(pod, status=kube.PodStatus(phase=pod.status.phase, start_time=pod.status.start_time))
