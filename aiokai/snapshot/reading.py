"""What the scheduler reads off one object: pure functions, shared by the incremental cache and by its plain twin.

An object that says something impossible still becomes a reading: with an obstacle, so that it waits, and a problem, so
that the condition can name path and reason. Nothing else is disturbed by it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Final

from aiokai.devices import vgpu
from aiokai.devices.fraction import fraction_asked
from aiokai.devices.whole import WHOLE_GPUS
from aiokai.dialects import AIOKAI, DIALECTS, Dialect, PodKeys
from aiokai.errors import InvalidObjectError
from aiokai.model import kube
from aiokai.model.configuration import Configuration
from aiokai.model.pod_group import GangKey
from aiokai.model.quantity import MOST_OF_ONE, quantity_to_base
from aiokai.model.queue import DEFAULT_QUEUE
from aiokai.model.reasons import Reason
from aiokai.snapshot.arrays import PODS, ConstraintSet, NodeFacts, TaskState, Term

Amount = tuple[str, int]
"""Resource name and base units."""

NaturalOrder = tuple[tuple[int, int | str], ...]
"""Sorts names as people count."""

HOSTNAME: Final = "kubernetes.io/hostname"


@dataclass(frozen=True, slots=True)
class PodReading:
    """One pod, as the scheduler sees it. Two equal readings need no recount.

    Attributes:
        gang: None for a pod of another scheduler, which only uses capacity.
        queue: the queue it names itself; empty when it leaves that to its PodGroup or namespace.
        request: base units by resource, `pods` included, sorted by name.
        grants: cards it was given, in the order of `asks`.
        claims: which of its volumes is which claim's; `snapshot/volumes.py` turns them into constraints.
    """

    uid: str
    namespace: str
    name: str
    gang: GangKey | None
    subgroup: str
    queue: str
    priority: int
    created: datetime | None
    order: tuple[int, NaturalOrder, str]
    request: tuple[Amount, ...]
    asks: tuple[vgpu.Ask, ...]
    constraints: ConstraintSet
    obstacle: Reason
    problem: str
    state: TaskState
    node: str
    grants: tuple[vgpu.Grant, ...]
    containers: int
    claims: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class NodeReading:
    """One node. `problem` says what about it could not be used."""

    facts: NodeFacts
    allocatable: tuple[Amount, ...]
    cards: tuple[vgpu.Card, ...]
    problem: str


@lru_cache(maxsize=65536)
def natural_order(name: str) -> NaturalOrder:
    """Sorts names as people count: worker-2 before worker-10. Only equal names are equal: worker-01 is not worker-1."""
    counted = ((0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part)
    return (*counted, (-1, name))


def read_pod(pod: kube.Pod, configuration: Configuration) -> PodReading | None:
    """The reading of a pod; None for one that holds nothing and wants nothing of us."""
    dialect = _dialect_of(pod, configuration)
    state, meta = _state_of(pod), pod.metadata
    if state is None or (dialect is None and state not in (TaskState.BOUND, TaskState.RUNNING, TaskState.RELEASING)):
        return None
    obstacle, problem = Reason.NONE, ""
    asks: tuple[vgpu.Ask, ...] = ()
    grants: tuple[vgpu.Grant, ...] = ()
    request: tuple[Amount, ...] = ((PODS, 1),)
    try:
        request = request_of(pod)
        asks = vgpu.asks_of(pod, configuration.devices.vgpu)
        grants = vgpu.parse_grants(meta.annotations) if state in _HOLDING else ()
    except InvalidObjectError as error:
        obstacle, problem = Reason.INVALID, str(error)
    if obstacle is Reason.NONE and (field := unsupported_field(pod)):
        obstacle, problem = Reason.UNSUPPORTED_CONSTRAINT, field
    if obstacle is Reason.NONE and pod.spec.scheduling_gates:
        obstacle, problem = Reason.SCHEDULING_GATED, ", ".join(gate.name for gate in pod.spec.scheduling_gates)
    return PodReading(
        uid=meta.uid,
        namespace=meta.namespace,
        name=meta.name,
        gang=_gang_of(meta, dialect) if dialect is not None else None,
        subgroup=_key_of(meta, dialect.keys.subgroup, dialect.keys.task) if dialect is not None else "",
        queue=_queue_named(meta, dialect.keys) if dialect is not None else "",
        priority=pod.spec.priority,
        created=meta.creation_timestamp,
        order=(-pod.spec.priority, natural_order(meta.name), meta.uid),
        request=request,
        asks=asks,
        constraints=constraints_of(pod.spec),
        obstacle=obstacle,
        problem=problem,
        state=state,
        node=pod.spec.node_name if state in _HOLDING else "",
        grants=grants,
        containers=len(pod.spec.containers) + len(pod.spec.init_containers),
        claims=tuple(
            (i, volume.persistent_volume_claim.claim_name)
            for i, volume in enumerate(pod.spec.volumes)
            if volume.persistent_volume_claim is not None
        ),
    )


_HOLDING: Final = frozenset({TaskState.BOUND, TaskState.RUNNING, TaskState.RELEASING})


def as_bound(reading: PodReading, node: str, annotations: Mapping[str, str]) -> PodReading:
    """The reading of a waiting pod as it will be once its Binding has arrived."""
    return replace(reading, state=TaskState.BOUND, node=node, grants=vgpu.parse_grants(annotations))


def _state_of(pod: kube.Pod) -> TaskState | None:
    match pod.status.phase:
        case "Succeeded":
            return TaskState.SUCCEEDED
        case "Failed":
            return TaskState.FAILED
    if pod.metadata.deletion_timestamp is not None:
        return TaskState.RELEASING if pod.spec.node_name else None
    if pod.spec.node_name:
        return TaskState.RUNNING if pod.status.phase == "Running" else TaskState.BOUND
    return TaskState.PENDING


def _dialect_of(pod: kube.Pod, configuration: Configuration) -> Dialect | None:
    """Whose words the pod's labels and annotations are; None for a pod of another scheduler."""
    name = configuration.dialect_of(pod.spec.scheduler_name)
    return DIALECTS[name] if name is not None else None


def _key_of(meta: kube.ObjectMeta, *names: str) -> str:
    """The value of the first of these annotations or labels that says something."""
    annotations, labels = meta.annotations or {}, meta.labels or {}
    return next((value for name in names if (value := annotations.get(name) or labels.get(name))), "")


def _queue_named(meta: kube.ObjectMeta, keys: PodKeys) -> str:
    return _key_of(meta, keys.queue, *keys.queue_aliases)


def _gang_of(meta: kube.ObjectMeta, dialect: Dialect) -> GangKey:
    group = _key_of(meta, dialect.keys.pod_group, *dialect.keys.pod_group_aliases)
    return GangKey(dialect.name, meta.namespace, group or meta.name, lone=not group)


def request_of(pod: kube.Pod) -> tuple[Amount, ...]:
    """What a node must have for the pod: its containers, or the highest step of its start, and its overhead.

    Source: kube-scheduler `PodRequests` with sidecars and pod-level resources.

    Raises:
        InvalidObjectError: an amount is no quantity.
    """
    total: dict[str, int] = {}
    for i, container in enumerate(pod.spec.containers):
        _add(total, _amounts(container.resources, f"spec.containers[{i}].resources"))
    started: dict[str, int] = {}
    peak: dict[str, int] = {}
    for i, container in enumerate(pod.spec.init_containers):
        own = _amounts(container.resources, f"spec.initContainers[{i}].resources")
        if container.restart_policy == "Always":
            _add(total, own)
            _add(started, own)
            own = {}
        for name in {**started, **own}:
            peak[name] = max(peak.get(name, 0), started.get(name, 0) + own.get(name, 0))
    for name, amount in peak.items():
        total[name] = max(total.get(name, 0), amount)
    if pod.spec.resources is not None:
        total |= _amounts(pod.spec.resources, "spec.resources")
    _add(total, _convert(pod.spec.overhead, "spec.overhead"))
    total[PODS] = 1
    return tuple(sorted((name, amount) for name, amount in total.items() if amount))


def _amounts(resources: kube.ResourceRequirements, path: str) -> dict[str, int]:
    limits = resources.limits or {}
    if resources.requests is None:
        return _convert(limits, f"{path}.limits")
    return _convert({**limits, **resources.requests}, f"{path}.requests")


def _convert(amounts: Mapping[str, str | int | float] | None, path: str) -> dict[str, int]:
    base: dict[str, int] = {}
    for name, text in (amounts or {}).items():
        try:
            base[name] = quantity_to_base(name, text)
        except ValueError as error:
            raise InvalidObjectError(f"{path}[{name}]", str(error)) from error
        if base[name] >= MOST_OF_ONE:
            raise InvalidObjectError(f"{path}[{name}]", f"{text!r} is more than any node has")
    return base


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def unsupported_field(pod: kube.Pod) -> str | None:
    """The first field whose constraint aiokai does not keep yet: such a pod waits, it is never bound against it."""
    spec = pod.spec
    if spec.affinity is not None:
        for name, term in (
            ("podAffinity", spec.affinity.pod_affinity),
            ("podAntiAffinity", spec.affinity.pod_anti_affinity),
        ):
            if term is not None and term.required:
                return f"spec.affinity.{name}.requiredDuringSchedulingIgnoredDuringExecution"
    for i, spread in enumerate(spec.topology_spread_constraints):
        if spread.when_unsatisfiable == "DoNotSchedule":
            return f"spec.topologySpreadConstraints[{i}]"
    for where, containers in (("containers", spec.containers), ("initContainers", spec.init_containers)):
        for i, container in enumerate(containers):
            if any(port.host_port for port in container.ports):
                return f"spec.{where}[{i}].ports[].hostPort"
    for i, volume in enumerate(spec.volumes):
        if volume.ephemeral is not None:
            return f"spec.volumes[{i}].ephemeral"
    if spec.resource_claims:
        return "spec.resourceClaims[0]"
    return fraction_asked(pod)


_NO_CONSTRAINTS: Final = ConstraintSet()


def constraints_of(spec: kube.PodSpec) -> ConstraintSet:
    """What static filters read of a pod's spec."""
    affinity = spec.affinity.node_affinity if spec.affinity is not None else None
    if not (spec.node_selector or affinity or spec.tolerations):
        return _NO_CONSTRAINTS
    required = None
    preferred: tuple[tuple[int, Term], ...] = ()
    if affinity is not None:
        if affinity.required is not None:
            required = tuple(read_term(term) for term in affinity.required.node_selector_terms)
        preferred = tuple((p.weight, read_term(p.preference)) for p in affinity.preferred)
    return ConstraintSet(
        node_selector=tuple(sorted((spec.node_selector or {}).items())),
        required=required,
        preferred=preferred,
        tolerations=tuple((t.key, t.operator or "Equal", t.value, t.effect) for t in spec.tolerations),
    )


def read_term(term: kube.NodeSelectorTerm) -> Term:
    """One node selector term as filters read it."""
    return Term(
        labels=tuple((r.key, r.operator, r.values) for r in term.match_expressions),
        fields=tuple((r.key, r.operator, r.values) for r in term.match_fields),
    )


def read_node(node: kube.Node) -> NodeReading:
    """The reading of a node. Its place in any array is the cache's affair."""
    meta, problem = node.metadata, ""
    cards: tuple[vgpu.Card, ...] = ()
    try:
        allocatable = _convert(node.status.allocatable, "status.allocatable")
    except InvalidObjectError as error:
        allocatable, problem = {}, str(error)
    if text := (meta.annotations or {}).get(vgpu.REGISTER):
        try:
            cards = vgpu.parse_registration(text)
        except InvalidObjectError as error:
            problem = str(error)
    if cards and any(allocatable.get(name) for name in WHOLE_GPUS):
        cards, problem = (), "advertises whole GPUs and vGPUs of the same cards: it serves whole GPUs only"
    facts = NodeFacts(
        name=meta.name,
        labels={HOSTNAME: meta.name, **(meta.labels or {})},
        taints=tuple((t.key, t.value, t.effect) for t in node.spec.taints),
        unschedulable=node.spec.unschedulable,
        ready=all(c.status == "True" for c in node.status.conditions if c.type == "Ready")
        and meta.deletion_timestamp is None,
    )
    return NodeReading(facts, tuple(sorted(allocatable.items())), cards, problem)


def queue_of(pod: str, group: str, namespace: kube.Namespace | None, dialect: str) -> str:
    """The queue that pays: the PodGroup's, else the pod's, else the namespace's, else `default`.

    A namespace may speak the dialect's words or the native ones.
    """
    keys = (DIALECTS[dialect].keys.queue, AIOKAI.keys.queue)
    told = _key_of(namespace.metadata, *keys) if namespace is not None else ""
    return group or pod or told or DEFAULT_QUEUE
