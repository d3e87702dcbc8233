"""The nodes that the kubelets play: what a test, the demo or a file asks for, and the Node objects it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from aiokai.errors import ConfigError
from aiokai.localcluster.deviceplugin import SharedCards, advertised, registration
from aiokai.localcluster.objects import Json, timestamp
from aiokai.model.base import Amounts, Strict, invalid_object

KUBELET_VERSION: Final = "v1.36.0-aiokai"
_USUAL: Final = {"cpu": "64", "memory": "512Gi", "ephemeral-storage": "1Ti", "pods": "110"}


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    effect: str = "NoSchedule"
    value: str = ""


@dataclass(frozen=True, slots=True)
class NodeTemplate:
    """One node.

    Attributes:
        name: of the Node object, and its hostname.
        allocatable: amounts by resource; what a usual machine has is added where it is not named. Whole GPUs stand
            here, as `nvidia.com/gpu`; what shared cards advertise does not.
        labels: besides the ones that every node has.
        taints: none by default.
        cards: cards that are handed out in shares by a vGPU device plugin.
    """

    name: str
    allocatable: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    cards: SharedCards | None = None

    @property
    def capacity(self) -> dict[str, str]:
        """Everything that the node advertises."""
        return {**_USUAL, **self.allocatable, **(advertised(self.cards) if self.cards else {})}


class _Taint(Strict):
    key: str
    effect: str = "NoSchedule"
    value: str = ""


class _Cards(Strict):
    number: int = Field(default=8, ge=1)
    memory_mib: int = Field(default=80 * 1024, ge=1, alias="memoryMiB")
    slots: int = Field(default=10, ge=1)
    model: str = "NVIDIA-A100"


class NodePool(Strict):
    """Nodes that are alike, as a file says it: `{name: gpu, count: 4, gpus: 8}` is gpu-0 to gpu-3."""

    name: str
    count: int | None = Field(default=None, ge=0, description="None: one node that has exactly this name.")
    gpus: int = Field(default=0, ge=0, description="Whole GPUs a node, advertised as nvidia.com/gpu.")
    cards: _Cards | None = None
    allocatable: Amounts = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    taints: tuple[_Taint, ...] = ()

    def nodes(self) -> tuple[NodeTemplate, ...]:
        names = [self.name] if self.count is None else [f"{self.name}-{i}" for i in range(self.count)]
        gpus = {"nvidia.com/gpu": str(self.gpus)} if self.gpus else {}
        cards = SharedCards(**self.cards.model_dump()) if self.cards else None
        taints = tuple(Taint(taint.key, taint.effect, taint.value) for taint in self.taints)
        return tuple(NodeTemplate(name, {**gpus, **self.allocatable}, self.labels, taints, cards) for name in names)


def read_nodes(text: str) -> tuple[NodeTemplate, ...]:
    """The nodes of a YAML list of pools.

    Raises:
        ConfigError: names the path and what is wrong there.
    """
    try:
        pools = TypeAdapter(tuple[NodePool, ...]).validate_python(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ConfigError(f"nodes: {error}") from error
    except ValidationError as error:
        raise ConfigError(str(invalid_object("nodes", error))) from error
    return tuple(node for pool in pools for node in pool.nodes())


def node_object(template: NodeTemplate) -> Json:
    """The Node as a kubelet registers it."""
    labels = {
        "kubernetes.io/hostname": template.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        **template.labels,
    }
    metadata: dict[str, Any] = {"name": template.name, "labels": labels}
    if template.cards:
        metadata["annotations"] = registration(template.name, template.cards)
    taints = [{"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in template.taints]
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": taints} if taints else {}}


def node_status(template: NodeTemplate) -> Json:
    """The whole status of a node that is well."""
    return {
        "capacity": template.capacity,
        "allocatable": template.capacity,
        "conditions": node_conditions(),
        "addresses": [{"type": "Hostname", "address": template.name}],
        "nodeInfo": {
            "architecture": "amd64",
            "operatingSystem": "linux",
            "kubeletVersion": KUBELET_VERSION,
            "kubeProxyVersion": "",
            "containerRuntimeVersion": "aiokai://1",
            "osImage": "played by aiokai",
            "kernelVersion": "",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
        },
    }


def node_conditions() -> list[Json]:
    """The Ready condition, as of now."""
    now = timestamp()
    return [
        {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
    ]
