"""Shares of a GPU handed out by the volcano-vgpu-device-plugin: memory and cores of a named card.

The plugin registers cards in an annotation of the node and does what annotations of the pod say, so the texts here are
its protocol. Source: reference/volcano.md §4. A container asks for `number` cards with `memory` and `cores` on each.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from aiokai.errors import InvalidObjectError
from aiokai.model.configuration import VgpuNames
from aiokai.model.kube import Pod
from aiokai.model.quantity import parse_quantity

REGISTER: Final = "volcano.sh/node-vgpu-register"
ALLOCATED: Final = "volcano.sh/vgpu-ids-new"
TO_ALLOCATE: Final = "volcano.sh/devices-to-allocate"
BIND_PHASE: Final = "volcano.sh/bind-phase"
_NODE: Final = "volcano.sh/vgpu-node"
_TIME: Final = "volcano.sh/vgpu-time"
_BIND_TIME: Final = "volcano.sh/bind-time"
WRITTEN: Final = frozenset({ALLOCATED, TO_ALLOCATE, BIND_PHASE, _NODE, _TIME, _BIND_TIME})
"""All annotations that come with a pod's Binding."""
_ALIASES: Final = ("nvidia.com/vgpu-number", "nvidia.com/vgpu-memory", "nvidia.com/vgpu-cores")

_DIGITS: Final = 12
MOST_CARDS: Final = 64
"""That one pod may ask for: far more than a node has, and every pod's row in the arrays is as wide as the widest."""


class Card(NamedTuple):
    """One registered card. Memory in memoryUnit of the configuration."""

    uuid: str
    slots: int
    memory: int


class Ask(NamedTuple):
    """One card asked for. `memory` in memoryUnit, or negative: so many per cent of whichever card it is."""

    container: int
    memory: int
    cores: int


class Grant(NamedTuple):
    """One card given."""

    container: int
    uuid: str
    memory: int
    cores: int


def parse_registration(text: str) -> tuple[Card, ...]:
    """The healthy cards of a node, by their place in the registration; unhealthy ones keep their place with no slots.

    Raises:
        InvalidObjectError: the text is no registration; as for the plugin's own scheduler the whole node then has none.
    """
    path = f"metadata.annotations[{REGISTER}]"
    cards: list[Card] = []
    for part in filter(None, text.strip().split(":")):
        fields = part.split(",")
        if len(fields) < 6:
            raise InvalidObjectError(path, f"a card needs uuid,count,memory,type,health,mode (got {part!r})")
        uuid, count, memory, _, health, mode = (field.strip() for field in fields[:6])
        if not (_is_count(count) and _is_count(memory)):
            raise InvalidObjectError(path, f"count and memory are whole numbers (got {part!r})")
        usable = health.lower() == "true" and mode.lower() != "mig"
        cards.append(Card(uuid, int(count) if usable else 0, int(memory) if usable else 0))
    return tuple(cards)


def _is_count(text: str) -> bool:
    """True for a whole number that arrays can hold, and sums of it."""
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def asks_of(pod: Pod, names: VgpuNames) -> tuple[Ask, ...]:
    """The cards that a pod's containers ask for, in order, sidecars and init containers last.

    Raises:
        InvalidObjectError: it asks in a way that no plugin serves: it would start without its GPU.
    """
    asks: list[Ask] = []
    everyone = [("containers", c) for c in pod.spec.containers] + [
        ("initContainers", c) for c in pod.spec.init_containers
    ]
    for position, (where, container) in enumerate(everyone):
        amounts = {**(container.resources.requests or {}), **(container.resources.limits or {})}
        if amounts.keys().isdisjoint((names.number, names.memory, names.cores, *_ALIASES)):
            continue
        index = position if where == "containers" else position - len(pod.spec.containers)
        path = f"spec.{where}[{index}].resources.limits"
        for alias in _ALIASES:
            if alias in amounts:
                raise InvalidObjectError(
                    f"{path}[{alias}]", "the device plugin does not know this name; write it as in the Job, or use "
                    f"{names.number}, {names.memory} and {names.cores}",
                )  # fmt: skip
        memory, cores = _whole(amounts, names.memory, path), _whole(amounts, names.cores, path)
        number = _whole(amounts, names.number, path)
        if not number and (memory or cores):
            raise InvalidObjectError(f"{path}[{names.number}]", "is missing: without it no card is handed out")
        if cores > 100:
            raise InvalidObjectError(f"{path}[{names.cores}]", f"is in per cent of one card, at most 100 (got {cores})")
        if len(asks) + number > MOST_CARDS:
            raise InvalidObjectError(f"{path}[{names.number}]", f"no node has more than {MOST_CARDS} cards")
        asks += [Ask(position, memory or -100, cores)] * number
    return tuple(asks)


def _whole(amounts: Mapping[str, str | int | float], name: str, path: str) -> int:
    if name not in amounts:
        return 0
    try:
        number = parse_quantity(amounts[name])
    except ValueError as error:
        raise InvalidObjectError(f"{path}[{name}]", str(error)) from error
    if number >= 10**_DIGITS:
        raise InvalidObjectError(f"{path}[{name}]", f"{amounts[name]!r} is too large")
    if number != int(number) or number < 0:
        raise InvalidObjectError(f"{path}[{name}]", f"must be a whole number (got {amounts[name]!r})")
    return int(number)


def charge_of_asks(asks: Sequence[Ask], smallest_memory: int) -> int:
    """Milli-GPUs charged before the cards are known: per card the larger of its memory and cores share."""
    if not smallest_memory:
        return 1000 * len(asks)
    return sum(max(_share(ask.memory, smallest_memory), ask.cores * 10) for ask in asks)


def charge_of_amounts(amounts: Mapping[str, int], names: VgpuNames, smallest_memory: int) -> int:
    """Milli-GPUs charged for sums of a gang whose pods do not exist yet; `amounts` in base units (thousandths)."""
    number, memory, cores = (amounts.get(name, 0) for name in (names.number, names.memory, names.cores))
    if not number:
        return 0
    by_memory = memory // smallest_memory if smallest_memory and memory else number
    return min(number, max(by_memory, cores // 100))


def _share(memory: int, card: int) -> int:
    return -memory * 10 if memory < 0 else -(-1000 * memory // card)


def annotations_of(grants: Sequence[Grant], containers: int, node: str, now: datetime) -> dict[str, str]:
    """What the plugin reads, for the pod's Binding."""
    per_container = ["" for _ in range(containers)]
    for grant in grants:
        per_container[grant.container] += f"{grant.uuid},NVIDIA,{grant.memory},{grant.cores}:"
    text = ";".join(per_container) + ";"
    stamp = str(int(now.timestamp()))
    return {ALLOCATED: text, TO_ALLOCATE: text, _NODE: node, _TIME: stamp, _BIND_TIME: stamp, BIND_PHASE: "allocating"}


def parse_grants(annotations: Mapping[str, str] | None) -> tuple[Grant, ...]:
    """The cards a pod was given, from its annotations; a text that cannot be read gives none.

    Raises:
        InvalidObjectError: the annotation is there and is no assignment.
    """
    text = (annotations or {}).get(ALLOCATED, "")
    grants: list[Grant] = []
    for container, part in enumerate(text.split(";")):
        for device in filter(None, part.split(":")):
            fields = device.split(",")
            if len(fields) != 4 or not (_is_count(fields[2]) and _is_count(fields[3])):
                raise InvalidObjectError(
                    f"metadata.annotations[{ALLOCATED}]", f"a card is uuid,type,memory,cores (got {device!r})"
                )
            grants.append(Grant(container, fields[0], int(fields[2]), int(fields[3])))
    return tuple(grants)
