"""The volcano-vgpu-device-plugin, as far as a scheduler can tell.

It registers a node's cards in an annotation and advertises their shares as resources. When a container starts, kubelet
tells it *how many* shares to hand out, never to whom. So it guesses: of the pods on its node whose bind-phase is
`allocating`, the one with the oldest vgpu-time and the same number of devices. It hands out what that pod's
annotation says, and sets that pod's bind-phase. If two such pods start in another order than they were bound in, each
gets the other's cards; the annotation `aiokai.io/started-devices` on the pod that was really started shows it.
Source: reference/volcano.md §4; Project-HAMi/volcano-vgpu-device-plugin `pkg/plugin/vgpu/plugin.go` Allocate.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiokai.devices.vgpu import BIND_PHASE, REGISTER, TO_ALLOCATE
from aiokai.model.configuration import VgpuNames
from aiokai.model.kube import Container, Pod
from aiokai.model.quantity import parse_quantity

STARTED_DEVICES: Final = "aiokai.io/started-devices"
"""Annotation of a pod: the devices that its containers got, in the form of `volcano.sh/vgpu-ids-new`."""
_TIME: Final = "volcano.sh/vgpu-time"
_NAMES: Final = VgpuNames()


@dataclass(frozen=True, slots=True)
class SharedCards:
    """The cards of one node.

    Attributes:
        number: how many.
        memory_mib: of each, in MiB.
        slots: pods that may share one.
        model: as the plugin names it.
    """

    number: int = 8
    memory_mib: int = 80 * 1024
    slots: int = 10
    model: str = "NVIDIA-A100"


def registration(node: str, cards: SharedCards) -> dict[str, str]:
    """The annotations by which the plugin tells a scheduler about the node's cards."""
    rest = f"{cards.slots},{cards.memory_mib},{cards.model},true,hami-core"
    return {REGISTER: "".join(f"GPU-{node}-{i},{rest}:" for i in range(cards.number))}


def advertised(cards: SharedCards) -> dict[str, str]:
    """The resources that the node shows for its cards."""
    return {
        _NAMES.number: str(cards.number * cards.slots),
        _NAMES.memory: str(cards.number * cards.memory_mib),
        _NAMES.cores: str(cards.number * 100),
    }


class Marking(NamedTuple):
    """Annotations to be set on a pod."""

    pod: Pod
    annotations: Mapping[str, str]


class Handout(NamedTuple):
    """What came of starting one pod.

    Attributes:
        markings: what is written before the pod starts: by the plugin, on whichever pods it took this one for, and
            `STARTED_DEVICES` on the pod itself.
        problem: why kubelet cannot start it; empty if it can.
    """

    markings: tuple[Marking, ...] = ()
    problem: str = ""


class DevicePlugin:
    """The plugin of one node. Remembers what it took from which pod, since its own writes come back late."""

    def __init__(self) -> None:
        self._left: dict[str, list[str]] = {}
        self._marked: set[str] = set()

    def hand_out(self, pod: Pod, on_node: Iterable[Pod]) -> Handout:
        """Devices for every container of `pod` that asks for some, of whichever pods on the node are being bound."""
        containers = (*pod.spec.containers, *pod.spec.init_containers)
        counts = [devices_wanted(container) for container in containers]
        if not any(counts):
            return Handout()
        got: list[str] = []
        touched: dict[str, Pod] = {}
        waiting = sorted((other for other in on_node if self._is_waiting(other)), key=_oldest_first)
        for count in counts:
            if not count:
                got.append("")
                continue
            served = next((other for other in waiting if self._next_count(other) == count), None)
            if served is None:
                return Handout(self._failed(waiting), f"no pod being bound here waits for {count} device(s)")
            touched[served.metadata.uid] = served
            got.append(self._take(served))
        started = Marking(pod, {STARTED_DEVICES: "".join(f"{text};" for text in got)})
        return Handout((started, *(self._taken_from(served) for served in touched.values())))

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._left.pop(uid, None)
        self._marked.discard(uid)

    def _is_waiting(self, pod: Pod) -> bool:
        phase = (pod.metadata.annotations or {}).get(BIND_PHASE)
        return phase == "allocating" and pod.metadata.uid not in self._marked and pod.status.phase in ("", "Pending")

    def _containers_left(self, pod: Pod) -> list[str]:
        uid = pod.metadata.uid
        if uid not in self._left:
            text = (pod.metadata.annotations or {}).get(TO_ALLOCATE, "")
            self._left[uid] = text.removesuffix(";").split(";")
        return self._left[uid]

    def _next_count(self, pod: Pod) -> int:
        """Devices of the next container that has not got its own; 0 if there is none."""
        return next((text.count(":") for text in self._containers_left(pod) if text), 0)

    def _take(self, pod: Pod) -> str:
        left = self._containers_left(pod)
        position = next(i for i, text in enumerate(left) if text)
        text, left[position] = left[position], ""
        return text

    def _taken_from(self, pod: Pod) -> Marking:
        left = self._containers_left(pod)
        annotations = {TO_ALLOCATE: "".join(f"{text};" for text in left)}
        if not any(left):
            annotations[BIND_PHASE] = "success"
            self._marked.add(pod.metadata.uid)
        return Marking(pod, annotations)

    def _failed(self, waiting: Sequence[Pod]) -> tuple[Marking, ...]:
        """The plugin blames the pod it would have served, whichever kubelet was starting."""
        for blamed in waiting[:1]:
            self._marked.add(blamed.metadata.uid)
            return (Marking(blamed, {BIND_PHASE: "failed"}),)
        return ()


def devices_wanted(container: Container) -> int:
    """Shares of cards that a container asks kubelet for."""
    resources = container.resources
    text = (resources.limits or {}).get(_NAMES.number) or (resources.requests or {}).get(_NAMES.number) or 0
    return int(parse_quantity(text))


def _oldest_first(pod: Pod) -> tuple[int, str, str]:
    """By vgpu-time, whole seconds; pods of one second in the order in which the API server lists them."""
    text = (pod.metadata.annotations or {}).get(_TIME, "")
    return int(text) if text.isdecimal() else 0, pod.metadata.namespace, pod.metadata.name
