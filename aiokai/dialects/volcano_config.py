"""`volcano-scheduler.conf` read as a profile of ours, as far as its actions and plugins mean something here.

The file is read as it is. What has no meaning here is named, one sentence each, and the rest is used. Scores are summed
in both systems, so weights are taken over as they are.
Source: Volcano 1.15. Its plugins, and what is theirs here:

| Volcano | here |
|---|---|
| priority, gang | plugins of the same names |
| drf, proportion, capacity | fairshare |
| nodeorder | spread, binpack by its weights of least and most requested |
| binpack | binpack |
| deviceshare | devicepack or devicespread, by its SchedulePolicy |
| conformance, predicates, pdb | always so |
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aiokai.errors import ConfigError
from aiokai.model.base import invalid_object
from aiokai.model.configuration import ActionName, Configuration, Plugin, parse_configuration

CONFIG_MAP_KEY: Final = "volcano-scheduler.conf"
LARGEST_WEIGHT: Final = 1000
OWN_KEYS: Final = frozenset({"actions", "tiers", "configurations", "metrics"})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class _Plugin(_Part):
    """One of a tier. Its `enable…` flags are whatever else stands there."""

    name: str
    arguments: dict[str, Any] | None = None

    @property
    def flags(self) -> Mapping[str, object]:
        return self.model_extra or {}


class _Tier(_Part):
    plugins: tuple[_Plugin, ...] = ()


class _Action(_Part):
    name: str = ""
    arguments: dict[str, Any] | None = None


class _Conf(_Part):
    actions: str
    tiers: tuple[_Tier, ...] = Field(default=())
    configurations: tuple[_Action, ...] | None = None


class Reading(NamedTuple):
    """What a file says.

    Attributes:
        warnings: what of it has no effect, a sentence each.
    """

    configuration: Configuration
    warnings: tuple[str, ...]


def is_volcano_config(content: object) -> bool:
    """Whether parsed YAML is a Volcano scheduler's configuration, bare or as a ConfigMap that holds one."""
    return _bare(content) or _text_in(content) is not None


def _bare(content: object) -> bool:
    return isinstance(content, Mapping) and {"actions", "tiers"} <= content.keys()


def _text_in(content: object) -> str | None:
    if not isinstance(content, Mapping) or content.get("kind") != "ConfigMap":
        return None
    texts = content.get("data")
    found = texts.get(CONFIG_MAP_KEY) if isinstance(texts, Mapping) else None
    return found if isinstance(found, str) else None


def read_volcano_config(content: object, source: str) -> Reading:
    """The configuration that a Volcano scheduler's file amounts to.

    Sections of ours (`dialects`, `cycle`, …) may stand beside Volcano's and count as in a file of ours.

    Raises:
        ConfigError: it is not written as Volcano's must be.
    """
    if (text := _text_in(content)) is not None:
        source = f"{source}: data[{CONFIG_MAP_KEY}]"
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"{source}: {error}") from error
    try:
        conf = _Conf.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{source}: {invalid_object('', error)}") from error
    listed = [
        (f"tiers[{i}].plugins[{j}]", it) for i, tier in enumerate(conf.tiers) for j, it in enumerate(tier.plugins)
    ]
    by_name = {plugin.name: plugin for _, plugin in reversed(listed)}
    if "proportion" in by_name and by_name.get("drf", _Plugin(name="")).flags.get("enableHierarchy") is True:
        raise ConfigError(f"{source}: plugin proportion and drf.enableHierarchy exclude each other")
    warnings: list[str] = []
    profile = {
        "name": "default",
        "actions": _actions(conf, warnings),
        "plugins": [plugin.model_dump() for plugin in _plugins(listed, warnings)],
    }
    if "metrics" in (conf.model_extra or {}):
        warnings.append("metrics: no plugin here reads them")
    rest = {name: value for name, value in (conf.model_extra or {}).items() if name not in OWN_KEYS}
    if "dialects" not in rest:
        warnings.append(
            "Volcano's Jobs, PodGroups and Queues are not taken up by this file alone; to have aiokai in Volcano's "
            "place, add `dialects: [{name: aiokai, schedulerNames: [aiokai]}, "
            "{name: volcano, schedulerNames: [volcano]}]`"
        )
    return Reading(parse_configuration({**rest, "profiles": [profile]}, source), tuple(warnings))


# Actions

_ACTIONS: Final[Mapping[str, str]] = {"gangpreempt": "preempt", "gangreclaim": "reclaim"}


def _actions(conf: _Conf, warnings: list[str]) -> list[str]:
    known: tuple[str, ...] = get_args(ActionName)
    wanted: list[str] = []
    for told in filter(None, (part.strip() for part in conf.actions.split(","))):
        name = _ACTIONS.get(told, told)
        if name not in known:
            warnings.append(f"actions: there is no {told!r} here, it is left out")
        elif name not in wanted:
            wanted.append(name)
    for i, action in enumerate(conf.configurations or ()):
        warnings += [f"configurations[{i}] ({action.name}): {name} has no effect" for name in action.arguments or {}]
    return wanted


# Plugins


class _Told:
    """A plugin's arguments, each taken out as it is understood."""

    def __init__(self, path: str, plugin: _Plugin, warnings: list[str]) -> None:
        self.path = f"{path} ({plugin.name})"
        self._left = dict(plugin.arguments or {})
        self._warnings = warnings

    def take(self, name: str, default: object = None) -> object:
        return self._left.pop(name, default)

    def weight(self, name: str, default: int) -> int:
        """A whole number from 0 to 1000; what cannot be one is the default."""
        told = self._left.pop(name, default)
        try:
            number = Decimal(str(told)).quantize(Decimal(1), ROUND_HALF_UP)
        except InvalidOperation:
            self.warn(f"{name}: {told!r} is no number, {default} is used")
            return default
        weight = min(max(int(number), 0), LARGEST_WEIGHT)
        if Decimal(str(told)) != weight:
            self.warn(f"{name}: weights are whole numbers from 0 to {LARGEST_WEIGHT} here, {weight} is used for {told}")
        return weight

    def warn(self, text: str) -> None:
        self._warnings.append(f"{self.path}: {text}")

    def warn_of_the_rest(self) -> None:
        for name in self._left:
            self.warn(f"{name} has no effect")


def _plugins(listed: Sequence[tuple[str, _Plugin]], warnings: list[str]) -> list[Plugin]:
    made: dict[str, Plugin] = {}
    seen: set[str] = set()
    for path, plugin in listed:
        told = _Told(path, plugin, warnings)
        reader = _READERS.get(plugin.name)
        if reader is None:
            told.warn("there is no such plugin here, it is left out")
            continue
        if plugin.name in seen:
            told.warn("it is listed twice, the first one counts")
            continue
        seen.add(plugin.name)
        _warn_of_flags(plugin, told)
        for new in reader(told) if plugin.flags.get(_ORDER_FLAG.get(plugin.name, "")) is not False else ():
            if new.name in made and new != Plugin(name=new.name):
                told.warn(f"another plugin has said already how {new.name} is done, that counts")
            made.setdefault(new.name, new)
        told.warn_of_the_rest()
    if "gang" not in seen:
        warnings.append("plugin gang is not listed; gangs start whole here all the same")
    return list(made.values())


_ORDER_FLAG: Final = {"priority": "enableJobOrder", "gang": "enableJobOrder"}
"""The flag without which nothing is left of a plugin here."""


def _warn_of_flags(plugin: _Plugin, told: _Told) -> None:
    for flag, value in plugin.flags.items():
        if flag == _ORDER_FLAG.get(plugin.name):
            continue
        if plugin.name in ("gang", "drf") and flag == "enablePreemptable" and value is False:
            told.warn("enablePreemptable: false is how it is here: victims do not depend on this plugin")
        elif value is (flag in ("enableHierarchy", "enabledClusterOrder")):
            told.warn(f"{flag}: {str(value).lower()} has no effect")


def _same(name: str) -> Callable[[_Told], Iterator[Plugin]]:
    def read(_told: _Told) -> Iterator[Plugin]:
        yield Plugin(name=name)

    return read


def _always(_told: _Told) -> Iterator[Plugin]:
    """What it does is done here whatever is listed."""
    return iter(())


def _drf(told: _Told) -> Iterator[Plugin]:
    told.warn("dominant shares order queues here, not the jobs within one: those go by priority, then age")
    yield Plugin(name="fairshare")


def _nodeorder(told: _Told) -> Iterator[Plugin]:
    least, most = told.weight("leastrequested.weight", 1), told.weight("mostrequested.weight", 0)
    if told.take("nodeorder.policy") == "binpack":
        least, most = 0, max(most, 1)
    if least:
        yield Plugin(name="spread", weight=least, args={"cpu": 1, "memory": 1})
    if most:
        yield Plugin(name="binpack", weight=most, args={"cpu": 1, "memory": 1})
    for name, fixed in (("nodeaffinity.weight", 2), ("tainttoleration.weight", 3)):
        if (weight := told.weight(name, fixed)) != fixed:
            told.warn(f"{name}: it is always {fixed} here, not {weight}")


def _binpack(told: _Told) -> Iterator[Plugin]:
    weight = told.weight("binpack.weight", 1)
    by_resource = {name: told.weight(f"binpack.{name}", 1) for name in ("cpu", "memory")}
    named = [name.strip() for name in str(told.take("binpack.resources", "")).split(",") if name.strip()]
    by_resource |= {name: told.weight(f"binpack.resources.{name}", 1) for name in named}
    if weight:
        yield Plugin(name="binpack", weight=weight, args=by_resource)


def _deviceshare(told: _Told) -> Iterator[Plugin]:
    policy, weight = told.take("deviceshare.SchedulePolicy", "binpack"), told.weight("deviceshare.ScheduleWeight", 0)
    if told.take("deviceshare.VGPUEnable", True) is False:
        told.warn("deviceshare.VGPUEnable: false has no effect: nodes that register vGPUs serve them")
    if weight:
        yield Plugin(name="devicespread" if policy == "spread" else "devicepack", weight=weight)


_READERS: Final[Mapping[str, Callable[[_Told], Iterator[Plugin]]]] = {
    "priority": _same("priority"),
    "gang": _same("gang"),
    "proportion": _same("fairshare"),
    "capacity": _same("fairshare"),
    "drf": _drf,
    "nodeorder": _nodeorder,
    "binpack": _binpack,
    "deviceshare": _deviceshare,
    "conformance": _always,
    "predicates": _always,
    "pdb": _always,
}
