"""The words of the short form, by the names that people write. `case.py` says what they mean together."""

from typing import Any, ClassVar, Final, Literal

from pydantic import Field, field_validator

from aiokai.model.base import Amounts, Seconds, Strict
from aiokai.model.quantity import BYTE_RESOURCES, WHOLE_RESOURCES, quantity_to_base

State = Literal["pending", "gated", "bound", "running", "releasing", "succeeded", "failed", "pipelined"]
UNSUPPORTED: Final = "is not supported yet"

SHORT_VGPU: Final = {"vgpu-number": "number", "vgpu-memory": "memory", "vgpu-cores": "cores"}
"""Names without a domain, which stand for the names in the configuration."""
FRACTIONS: Final = ("gpuFraction", "gpuMemory")


def check_amount(name: str, text: str, *, extra: tuple[str, ...] = ()) -> None:
    """Check the name of a resource and the size of its amount.

    Raises:
        ValueError: nobody would know such a resource, or the amount cannot be counted.
    """
    plain = name in ("cpu", *BYTE_RESOURCES, *WHOLE_RESOURCES, *extra) or name.startswith("hugepages-")
    if not plain and "/" not in name:
        raise ValueError(
            f"{name!r} is neither a field nor a resource: those outside cpu, memory and the like have a domain, as in "
            f"nvidia.com/gpu"
        )
    quantity_to_base(name, text)


class CaseCards(Strict):
    """GPUs of one kind on a node, as its device plugin registers them for sharing."""

    count: int = Field(default=1, ge=1, description="How many.")
    memory: int = Field(ge=0, description="Of each, in MiB.")
    share: int = Field(default=10, ge=1, description="How many pods may share one.")
    type: str = "GPU"
    healthy: bool = True


class CaseDevices(Strict):
    """`vgpu` counts cards, `registration` is the device plugin's own text: one of both."""

    vgpu: tuple[CaseCards, ...] = ()
    registration: str | None = None
    memory: Any = None
    numa: Any = None
    links: Any = None

    @field_validator("memory", "numa", "links")
    @classmethod
    def _not_yet(cls, _: object) -> object:
        raise ValueError(UNSUPPORTED)

    @field_validator("vgpu", mode="before")
    @classmethod
    def _one_kind(cls, value: object) -> object:
        return [value] if isinstance(value, dict) else value


class CaseTaint(Strict):
    key: str
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class CaseNode(Strict):
    """A node's fields that are not resources. `taints` may also be `key=value:Effect`, conditions `{Ready: false}`."""

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    taints: tuple[CaseTaint, ...] = ()
    unschedulable: bool = False
    conditions: dict[str, Literal["True", "False", "Unknown"]] = Field(default_factory=dict)
    devices: CaseDevices | None = None

    @field_validator("taints", mode="before")
    @classmethod
    def _taints_from_text(cls, value: object) -> object:
        return [_taint(one) for one in value] if isinstance(value, list) else value

    @field_validator("conditions", mode="before")
    @classmethod
    def _conditions_from_list(cls, value: object) -> object:
        if isinstance(value, list):
            value = {one.get("type"): one.get("status") for one in value if isinstance(one, dict)}
        return {k: str(v) if isinstance(v, bool) else v for k, v in value.items()} if isinstance(value, dict) else value

    @field_validator("devices", mode="before")
    @classmethod
    def _registration_alone(cls, value: object) -> object:
        return {"registration": value} if isinstance(value, str) else value


def _taint(one: object) -> object:
    if not isinstance(one, str):
        return one
    pair, _, effect = one.rpartition(":")
    key, _, value = pair.partition("=")
    return {"key": key, "value": value, "effect": effect}


class TaskFields(Strict):
    """What may stand on a task, or on its gang for all tasks."""

    request: Amounts | None = None
    on: tuple[str, ...] | None = Field(default=None, description="Where it runs; several: each task in turn.")
    state: State | None = None
    devices: str | tuple[tuple[int | str, ...], ...] | None = Field(
        default=None,
        description="Cards that it was given, by place on the node or uuid; lists of lists: each task in turn; text: "
        "as it stands in the pod's annotation.",
    )
    sub_group: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    started: Any = Field(default=None, description="A time, or how long ago.")
    node_selector: Any = None
    affinity: Any = None
    tolerations: Any = None
    scheduling_gates: Any = None
    topology_spread_constraints: Any = None
    volumes: Any = None
    resource_claims: Any = None
    containers: Any = None
    init_containers: Any = None
    overhead: Any = None

    POD_FIELDS: ClassVar = (
        "node_selector", "affinity", "tolerations", "scheduling_gates", "topology_spread_constraints", "volumes",
        "resource_claims", "containers", "init_containers", "overhead",
    )  # fmt: skip

    @field_validator("on", mode="before")
    @classmethod
    def _one_node(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("devices", mode="before")
    @classmethod
    def _for_all_tasks(cls, value: object) -> object:
        return [value] if isinstance(value, list) and not any(isinstance(one, list) for one in value) else value

    @field_validator("request")
    @classmethod
    def _resources_exist(cls, amounts: Amounts | None) -> Amounts | None:
        for name, text in (amounts or {}).items():
            check_amount(name, text, extra=(*SHORT_VGPU, *FRACTIONS))
        return amounts


class CaseTask(TaskFields):
    name: str | None = Field(default=None, min_length=1, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    count: int = Field(default=1, ge=0)
    priority: int | None = None


class CaseGang(TaskFields):
    """A gang's fields that its PodGroup does not have."""

    age: Seconds = 0.0
    priority: int | None = None
    preemptible: bool | None = None
    tasks: Any = Field(default=None, description="A number, or a list of CaseTask.")
    phase: Literal["Pending", "Inqueue", "Running", "Completed"] | None = None
    lone: bool = Field(default=False, description="Each pod is on its own: there is no PodGroup.")
    created: bool = Field(default=True, description="False: its pods are made when it is admitted.")
    recreated: bool = Field(default=True, description="False: what is evicted is not made again.")


class CaseOther(TaskFields):
    """Pods of another scheduler: one, or `tasks` of them."""

    namespace: str = "default"
    tasks: int | None = Field(default=None, ge=0)


class Then(Strict):
    """What the world does between two cycles, where it is not what usually happens."""

    bound: Literal["running", "bound", "succeeded", "failed", "gone"] = "running"
    running: Literal["running", "succeeded", "failed", "gone"] = "running"
    evicted: Literal["recreated", "gone", "releasing"] = "recreated"
    releasing: Literal["recreated", "gone", "releasing"] = "gone"
