"""Objects for tests of the core, made in one line each."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from aiokai.model import keys, kube
from aiokai.model.base import Envelope, decode_custom
from aiokai.model.pod_group import PodGroup, PodGroupSpec, PodGroupStatus
from aiokai.model.queue import Queue, QueueSpec, QueueStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMESPACE = "default"
REGISTER = "volcano.sh/node-vgpu-register"

Amounts = Mapping[str, str | int | float]


def make_node(
    name: str,
    allocatable: Amounts,
    *,
    labels: Mapping[str, str] | None = None,
    taints: Sequence[kube.Taint] = (),
    unschedulable: bool = False,
    ready: bool = True,
    cards: Sequence[tuple[int, int]] = (),
) -> kube.Node:
    """A node; `cards` are (slots, memory) of GPUs registered for vGPU."""
    text = "".join(f"{name}-{i},{slots},{memory},A100,true,hami-core:" for i, (slots, memory) in enumerate(cards))
    condition = kube.Condition("Ready", "True" if ready else "False")
    return kube.Node(
        kube.ObjectMeta(name=name, labels=dict(labels or {}), annotations={REGISTER: text} if text else None),
        kube.NodeSpec(unschedulable, tuple(taints)),
        kube.NodeStatus({"pods": "110", **allocatable}, (condition,)),
    )


def make_pod(
    name: str,
    request: Amounts | None = None,
    *,
    group: str = "",
    subgroup: str = "",
    queue: str = "",
    uid: str = "",
    node: str = "",
    phase: str = "Pending",
    priority: int = 0,
    scheduler: str = "aiokai",
    deleted: bool = False,
    age_s: float = 0,
    annotations: Mapping[str, str] | None = None,
    containers: Sequence[kube.Container] = (),
    **spec: object,
) -> kube.Pod:
    """A pod of one container that asks for `request`, of ours unless told otherwise."""
    told = {keys.POD_GROUP: group, keys.SUBGROUP: subgroup, keys.QUEUE: queue, **(annotations or {})}
    asked = dict(request or {})
    return kube.Pod(
        kube.ObjectMeta(
            name=name,
            namespace=NAMESPACE,
            uid=uid or f"uid-{name}",
            creation_timestamp=NOW - timedelta(seconds=age_s),
            deletion_timestamp=NOW if deleted else None,
            annotations={key: value for key, value in told.items() if value},
        ),
        kube.PodSpec(
            node_name=node,
            scheduler_name=scheduler,
            priority=priority,
            containers=tuple(containers) or (kube.Container("main", kube.ResourceRequirements(asked, asked)),),
            **spec,  # type: ignore[arg-type]
        ),
        kube.PodStatus(phase=phase),
    )


def make_group(name: str, min_member: int, *, phase: str = "Inqueue", age_s: float = 0, **spec: object) -> PodGroup:
    """A PodGroup, admitted already; `spec` in camelCase, as users write it."""
    meta = kube.ObjectMeta(
        name=name, namespace=NAMESPACE, uid=f"uid-group-{name}", creation_timestamp=NOW - timedelta(seconds=age_s)
    )
    envelope = Envelope(meta, {"minMember": min_member, **spec}, {"phase": phase})
    return decode_custom(envelope, "aiokai", PodGroupSpec, PodGroupStatus)


def make_queue(name: str, *, age_s: float = 0, dialect: str = "aiokai", **spec: object) -> Queue:
    """A Queue; `spec` in camelCase, as users write it."""
    meta = kube.ObjectMeta(name=name, uid=f"uid-queue-{name}", creation_timestamp=NOW - timedelta(seconds=age_s))
    return decode_custom(Envelope(meta, dict(spec)), dialect, QueueSpec, QueueStatus)
