"""The plugins that a Job may name, and what they make of it."""

from collections.abc import Mapping
from typing import Final

from aiokai.controllers.jobplugins.env import ENV
from aiokai.controllers.jobplugins.plugin import Flags, JobPlugin, Json, PluginObject, PodPlace, parse_flags
from aiokai.controllers.jobplugins.svc import SVC
from aiokai.dialects import PodKeys
from aiokai.model.job import Job

__all__ = ["PLUGINS", "PluginObject", "PodPlace", "change_pod", "plugin_objects"]

PLUGINS: Final[Mapping[str, JobPlugin]] = {"env": ENV, "svc": SVC}


def change_pod(pod_spec: Json, place: PodPlace) -> None:
    """Write what the Job's plugins want into the pod's spec, which is a fresh copy."""
    for plugin, flags in _chosen(place.job):
        plugin.change_pod(pod_spec, place, flags)


def plugin_objects(job: Job, keys: PodKeys) -> tuple[PluginObject, ...]:
    """What the Job's plugins want beside its pods."""
    return tuple(wanted for plugin, flags in _chosen(job) for wanted in plugin.objects(job, flags, keys))


def _chosen(job: Job) -> list[tuple[JobPlugin, Flags]]:
    return [
        (PLUGINS[name], parse_flags(job.spec.plugins[name], PLUGINS[name].flags, f"spec.plugins.{name}"))
        for name in sorted(job.spec.plugins)
    ]
