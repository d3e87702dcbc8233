"""The configuration: one frozen model, read from one YAML file. What is written here is the default."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from aiokai.errors import ConfigError
from aiokai.model.base import Quantity, Seconds, Strict, invalid_object


class Cycle(Strict):
    period: Seconds = Field(default=1.0, description="A cycle runs at least this often.")
    coalesce: Seconds = Field(default=0.005, description="How long a cycle waits for more changes after the first.")


class DialectChoice(Strict):
    name: str
    scheduler_names: tuple[str, ...] = Field(default=(), description="Pods and Jobs that say one of these are ours.")
    mode: Literal["own", "read"] = Field(
        default="own", description="own: reconcile and write statuses; read: only read."
    )


class Plugin(Strict):
    name: str
    weight: int = Field(default=1, ge=0, le=1000)
    args: dict[str, int] = Field(default_factory=dict)


class Enqueue(Strict):
    against: Literal["capacity", "quota"] = Field(
        default="capacity",
        description="capacity: admit what free and reclaimable room can hold; quota: by the queue's rights alone, "
        "so that an autoscaler can add nodes.",
    )


ActionName = Literal["enqueue", "allocate", "backfill"]


def _default_plugins() -> tuple[Plugin, ...]:
    return (
        Plugin(name="priority"),
        Plugin(name="gang"),
        Plugin(name="fairshare"),
        Plugin(name="nodestate"),
        Plugin(name="nodeaffinity"),
        Plugin(name="taints"),
        Plugin(name="resources"),
        Plugin(name="binpack", weight=10, args={"nvidia.com/gpu": 10, "cpu": 1, "memory": 1}),
        Plugin(name="devicepack", weight=5),
    )


class Profile(Strict):
    name: str = "default"
    actions: tuple[ActionName, ...] = Field(
        default=("enqueue", "allocate", "backfill"), description="What a cycle does, in this order."
    )
    enqueue: Enqueue = Enqueue()
    plugins: tuple[Plugin, ...] = Field(
        default_factory=_default_plugins,
        description="The whole list: orders of gangs as listed, scores times weight.",
    )


class VgpuNames(Strict):
    """The real names that the device plugin advertises; `nvidia.com/vgpu-*` are aliases of them."""

    number: str = "volcano.sh/vgpu-number"
    memory: str = "volcano.sh/vgpu-memory"
    cores: str = "volcano.sh/vgpu-cores"
    memory_unit: Quantity = "1Mi"


class Devices(Strict):
    vgpu: VgpuNames = VgpuNames()


class Web(Strict):
    host: str = "0.0.0.0"
    port: int = Field(default=8080, ge=0, le=65535, description="Of /livez, /readyz and /metrics.")
    node_pool_label: str = Field(
        default="",
        description="Node label whose value is the node pool in metrics; without one all nodes are one pool.",
    )
    compatibility_metrics: tuple[Literal["volcano", "kai"], ...] = Field(
        default=(), description="Names of volcano, kai for the same facts as well, for dashboards that ask for them."
    )


class Configuration(Strict):
    cycle: Cycle = Cycle()
    dialects: tuple[DialectChoice, ...] = Field(
        default=(DialectChoice(name="aiokai", scheduler_names=("aiokai",)),), description="Whose objects are read."
    )
    profiles: tuple[Profile, ...] = Field(
        default=(Profile(),), min_length=1, max_length=1, description="How is decided; one so far."
    )
    devices: Devices = Field(default=Devices(), description="How the device plugin of shared cards names what it has.")
    web: Web = Web()

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Configuration":
        for what, names in (("dialect", [d.name for d in self.dialects]), ("profile", [p.name for p in self.profiles])):
            if len(set(names)) != len(names):
                raise ValueError(f"two entries of one {what} name: {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _a_scheduler_name_means_one_dialect(self) -> "Configuration":
        taken: dict[str, str] = {}
        for choice in self.dialects:
            for name in choice.scheduler_names if choice.mode == "own" else ():
                if taken.setdefault(name, choice.name) != choice.name:
                    raise ValueError(
                        f"scheduler name {name!r} is listed for two dialects: {taken[name]}, {choice.name}"
                    )
        return self

    @property
    def profile(self) -> Profile:
        return self.profiles[0]

    @property
    def owned_dialects(self) -> frozenset[str]:
        """Those whose objects are reconciled and written to, as far as they name one of our scheduler names."""
        return frozenset(choice.name for choice in self.dialects if choice.mode == "own")

    def dialect_of(self, scheduler_name: str) -> str | None:
        """The dialect whose pods name this scheduler, None if it is not one of ours."""
        return next((d.name for d in self.dialects if d.mode == "own" and scheduler_name in d.scheduler_names), None)


def parse_configuration(content: object, source: str) -> Configuration:
    """A configuration from parsed YAML; nothing at all is the default.

    Raises:
        ConfigError: names `source`, the path in it, and the reason.
    """
    if content is None:
        return Configuration()
    if not isinstance(content, dict):
        raise ConfigError(f"{source}: a mapping is wanted at the top, not {type(content).__name__}")
    try:
        return Configuration.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{source}: {invalid_object('', error)}") from error


def load_configuration(path: Path) -> Configuration:
    """The configuration in a YAML file.

    Raises:
        ConfigError: the file cannot be read, is no YAML, or says something impossible.
    """
    return parse_configuration(read_yaml(path), str(path))


def read_yaml(path: Path) -> object:
    """What is in a YAML file.

    Raises:
        ConfigError: it cannot be read, or is no YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from error
