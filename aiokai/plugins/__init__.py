"""The plugin table: what each name in a configuration means.

| name | what it does |
|---|---|
| priority | gangs of a higher priority first, within a queue |
| gang | gangs below their minimum before those that only grow |
| fairshare | queues by what they deserve, priority, and dominant share of their fair share |
| nodestate | no pods on nodes that are cordoned or not ready (always on) |
| nodeaffinity | nodeSelector and node affinity, required (always on) and preferred |
| taints | NoSchedule and NoExecute taints (always on), PreferNoSchedule |
| volumes | where the volumes of bound claims can be reached (always on) |
| resources, devices | amounts and cards must fit (always on: part of the placing kernels) |
| binpack, spread | full nodes first, empty nodes first; `args` weigh resources |
| devicepack, devicespread | full cards first, empty cards first |

Others may add theirs under the entry point group `aiokai.plugins`: a callable that takes the configured `Plugin`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import entry_points

from aiokai.errors import ConfigError
from aiokai.model.configuration import Plugin, Profile
from aiokai.plugins.fairshare import FairShare
from aiokai.plugins.gang import Gang
from aiokai.plugins.nodeaffinity import NodeAffinity
from aiokai.plugins.nodestate import NodeState
from aiokai.plugins.packing import Binpack, DevicePack, DeviceSpread, Spread
from aiokai.plugins.priority import Priority
from aiokai.plugins.taints import Taints
from aiokai.plugins.volumes import Volumes

Factory = Callable[[Plugin], object]

ALWAYS: Mapping[str, Factory] = {
    "nodestate": lambda _: NodeState(),
    "nodeaffinity": lambda _: NodeAffinity(),
    "taints": lambda _: Taints(),
    "volumes": lambda _: Volumes(),
    "resources": lambda _: None,
    "devices": lambda _: None,
}
PLUGINS: Mapping[str, Factory] = {
    **ALWAYS,
    "priority": lambda _: Priority(),
    "gang": lambda _: Gang(),
    "fairshare": lambda _: FairShare(),
    "binpack": lambda plugin: Binpack(plugin.weight, plugin.args),
    "spread": lambda plugin: Spread(plugin.weight, plugin.args),
    "devicepack": lambda plugin: DevicePack(plugin.weight),
    "devicespread": lambda plugin: DeviceSpread(plugin.weight),
}


@cache
def _entry_points() -> Mapping[str, Factory]:
    return {entry.name: entry.load() for entry in entry_points(group="aiokai.plugins")}


def make_plugins(profile: Profile) -> list[object]:
    """The profile's plugins in its order, with those that are always on.

    Raises:
        ConfigError: a name that nobody knows.
    """
    known = {**_entry_points(), **PLUGINS}
    listed = {plugin.name: plugin for plugin in profile.plugins}
    for i, plugin in enumerate(profile.plugins):
        if plugin.name not in known:
            names = ", ".join(sorted(known))
            raise ConfigError(f"profiles[0].plugins[{i}].name: there is no plugin {plugin.name!r}, only {names}")
    wanted = [*profile.plugins, *(Plugin(name=name) for name in ALWAYS if name not in listed)]
    made = [known[plugin.name](plugin) for plugin in wanted]
    return [plugin for plugin in made if plugin is not None]
