"""`env`: every container knows which pod of its task it is in."""

from typing import Final

from aiokai.controllers.jobplugins.plugin import Flags, JobPlugin, Json, PodPlace, all_containers, give_env

INDEX_NAMES: Final = ("VK_TASK_INDEX", "VC_TASK_INDEX")
"""Volcano's old and new name: scripts read either."""


def _change_pod(pod_spec: Json, place: PodPlace, _flags: Flags) -> None:
    variables = [{"name": name, "value": str(place.index)} for name in INDEX_NAMES]
    for container in all_containers(pod_spec):
        give_env(container, variables)


ENV: Final = JobPlugin(_change_pod)
