"""What a kubelet writes into a pod's status, as strategic merge patches: conditions of others stay."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from msgspec import field

from aiokai.errors import InvalidObjectError
from aiokai.localcluster.objects import Json
from aiokai.model import keys
from aiokai.model.duration import duration_to_seconds
from aiokai.model.kube import Container, ContainerState, ContainerStatus, KubeStruct, Pod, PodSpec, PodStatus

STOP_FOR: Final = "aiokai.io/stop-for"
"""Annotation of a pod for localcluster's kubelets: how long it takes to stop once it is deleted."""


class KubeletContainer(Container, frozen=True):
    image: str = ""


class KubeletPodSpec(PodSpec, frozen=True):
    containers: tuple[KubeletContainer, ...] = ()


class Running(KubeStruct, frozen=True):
    started_at: datetime | None = None


class KubeletContainerState(ContainerState, frozen=True):
    running: Running | None = None


class KubeletContainerStatus(ContainerStatus, frozen=True):
    state: KubeletContainerState = KubeletContainerState()


class KubeletPodStatus(PodStatus, frozen=True):
    container_statuses: tuple[KubeletContainerStatus, ...] = ()
    pod_ip: str = field(name="podIP", default="")


class KubeletPod(Pod, frozen=True):
    """A pod, with what only a kubelet reads of it."""

    spec: KubeletPodSpec = KubeletPodSpec()
    status: KubeletPodStatus = KubeletPodStatus()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pod's annotations tell the kubelets to play.

    Attributes:
        run_for_s: how long a run lasts; None: until the pod is deleted.
        exit_code: how each run ends.
        stop_for_s: how long it takes to stop.
    """

    run_for_s: float | None
    exit_code: int
    stop_for_s: float


def plan_of(annotations: Mapping[str, str] | None) -> Plan:
    """Raises: InvalidObjectError if one of the annotations cannot be read."""
    told = annotations or {}
    run_for_s = _seconds(told, keys.RUN_FOR)
    code = told.get(keys.EXIT_CODE, "0")
    if not code.isdecimal() or int(code) > 255:
        raise InvalidObjectError(
            f"metadata.annotations[{keys.EXIT_CODE}]", f"is no exit code of 0 to 255 (got {code!r})"
        )
    return Plan(run_for_s, int(code), _seconds(told, STOP_FOR) or 0.0)


def _seconds(told: Mapping[str, str], key: str) -> float | None:
    try:
        return duration_to_seconds(told[key]) if key in told else None
    except ValueError as error:
        raise InvalidObjectError(f"metadata.annotations[{key}]", str(error)) from error


def rejected(pod: KubeletPod, reason: str, message: str) -> Json:
    """It never runs."""
    return _patch(pod, {"phase": "Failed", "reason": reason, "message": f"Pod was rejected: {message}"})


def running(pod: KubeletPod, ip: str, now: datetime, restarts: int = 0) -> Json:
    """All containers run, since now."""
    started = _stamp(now)
    status: Json = {
        "phase": "Running",
        "conditions": _conditions(started, ready=True),
        "containerStatuses": [
            _container_status(pod, container, restarts, {"running": {"startedAt": started}}, ready=True)
            for container in pod.spec.containers
        ],
    }
    if not restarts:
        status |= {"startTime": started, "hostIP": "127.0.0.1", "podIP": ip, "podIPs": [{"ip": ip}]}
    return _patch(pod, status)


def ended(pod: KubeletPod, exit_code: int, began: datetime, now: datetime, restarts: int) -> Json:
    """All containers have ended, and are not started again."""
    state = {
        "terminated": {
            "exitCode": exit_code,
            "reason": "Error" if exit_code else "Completed",
            "startedAt": _stamp(began),
            "finishedAt": _stamp(now),
        }
    }
    return _patch(
        pod,
        {
            "phase": "Failed" if exit_code else "Succeeded",
            "conditions": _conditions(_stamp(now), ready=False),
            "containerStatuses": [
                _container_status(pod, container, restarts, state, ready=False) for container in pod.spec.containers
            ],
        },
    )


def _patch(pod: KubeletPod, status: Json) -> Json:
    # The uid lets the server refuse what is meant for an earlier pod of the same name.
    return {"metadata": {"uid": pod.metadata.uid}, "status": status}


def _conditions(now: str, *, ready: bool) -> list[Json]:
    readiness: Json = {"status": "True"} if ready else {"status": "False", "reason": "PodCompleted"}
    beginnings = ("PodReadyToStartContainers", "Initialized") if ready else ()
    return [
        *({"type": kind, "status": "True", "lastTransitionTime": now} for kind in beginnings),
        *({"type": kind, **readiness, "lastTransitionTime": now} for kind in ("Ready", "ContainersReady")),
    ]


def _container_status(pod: KubeletPod, container: KubeletContainer, restarts: int, state: Json, *, ready: bool) -> Json:
    return {
        "name": container.name,
        "image": container.image,
        "imageID": "",
        "containerID": f"aiokai://{pod.metadata.uid}/{container.name}/{restarts}",
        "ready": ready,
        "started": ready,
        "restartCount": restarts,
        "state": state,
    }


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
