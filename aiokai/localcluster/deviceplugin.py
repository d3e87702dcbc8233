"""The volcano-vgpu-device-plugin, as far as a scheduler can tell.

It registers a node's cards in an annotation and advertises their shares as resources. When a container starts, kubelet
tells it *how many* shares to hand out, never to whom. So it guesses: of the pods on its node whose bind-phase is
`allocating`, the one with the oldest vgpu-time and the same number of devices. It hands out what that pod's
annotation says, and sets that pod's bind-phase. If two such pods start in another order than they were bound in, each
gets the other's cards; the annotation `aiokai.io/started-devices` on the pod that was really started shows it.
Source: reference/volcano.md §4; Project-HAMi/volcano-vgpu-device-plugin `pkg/plugin/vgpu/plugin.go` Allocate.
"""

from collections.abc import Iterable, Mapping
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
        markings: what is written before the pod starts: `STARTED_DEVICES` on the pod itself, and what the plugin
            writes on whichever pods it took this one for.
        problem: why kubelet cannot start it; empty if it can.
    """

    markings: tuple[Marking, ...]
    problem: str = ""


def hand_out(pod: Pod, on_node: Iterable[Pod]) -> Handout:
    """Devices for every container of `pod` that wants some, from whichever pods on the node are being bound."""
    waiting = [_Served(other) for other in sorted(on_node, key=_oldest_first) if _is_allocating(other)]
    got: list[str] = []
    for count in map(devices_wanted, containers_of(pod)):
        served = next((other for other in waiting if count and other.next_count == count), None)
        if served is not None:
            got.append(served.take())
        elif count:
            # The plugin blames the pod it would have served, whichever kubelet was starting.
            blamed = tuple(Marking(other.pod, {BIND_PHASE: "failed"}) for other in waiting[:1])
            return Handout(blamed, f"no pod being bound here waits for {count} device(s)")
        else:
            got.append("")
    started = Marking(pod, {STARTED_DEVICES: _joined(got)})
    return Handout((started, *(other.marking for other in waiting if other.was_taken_from)))


class _Served:
    """A pod that is being bound, and what of its devices is still to be handed out."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.was_taken_from = False
        self._left = (pod.metadata.annotations or {}).get(TO_ALLOCATE, "").removesuffix(";").split(";")

    @property
    def next_count(self) -> int:
        """Devices of the next container that has not got its own; 0 if there is none."""
        return next((text.count(":") for text in self._left if text), 0)

    @property
    def marking(self) -> Marking:
        done = {} if any(self._left) else {BIND_PHASE: "success"}
        return Marking(self.pod, {TO_ALLOCATE: _joined(self._left), **done})

    def take(self) -> str:
        position = next(i for i, text in enumerate(self._left) if text)
        text, self._left[position] = self._left[position], ""
        self.was_taken_from = True
        return text


def containers_of(pod: Pod) -> tuple[Container, ...]:
    """In the order of the annotations."""
    return (*pod.spec.containers, *pod.spec.init_containers)


def devices_wanted(container: Container) -> int:
    """Shares of cards that a container asks kubelet for."""
    resources = container.resources
    text = (resources.limits or {}).get(_NAMES.number) or (resources.requests or {}).get(_NAMES.number) or 0
    return int(parse_quantity(text))


def _is_allocating(pod: Pod) -> bool:
    # One that runs may still be owed its devices: it was started with another's.
    ended = pod.status.phase in ("Succeeded", "Failed")
    return not ended and (pod.metadata.annotations or {}).get(BIND_PHASE) == "allocating"


def _oldest_first(pod: Pod) -> tuple[int, str, str]:
    """By vgpu-time, whole seconds; pods of one second in the order in which the API server lists them."""
    text = (pod.metadata.annotations or {}).get(_TIME, "")
    return int(text) if text.isdecimal() else 0, pod.metadata.namespace, pod.metadata.name


def _joined(containers: Iterable[str]) -> str:
    return "".join(f"{text};" for text in containers)
