"""Nodes and their cards: what they have, and what is left of it."""

from collections.abc import Sequence

import numpy as np

from aiokai.devices.vgpu import Card, Grant
from aiokai.snapshot import derive
from aiokai.snapshot.arrays import I32, I64, Devices, NodeFacts, Nodes
from aiokai.snapshot.reading import NodeReading, PodReading
from aiokai.snapshot.table import Column, Resources, Table


class NodeTable:
    """Attributes: smallest_memory: of any card that is shared, 0 without one."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._nodes: Table[str, NodeReading] = resources.table(
            {
                "allocatable": Column(np.int64, 0, ("R",)), "idle": Column(np.int64, 0, ("R",)),
                "releasing": Column(np.int64, 0, ("R",)), "device_total": Column(np.int64, 0, ("M", 3)),
                "device_free": Column(np.int64, 0, ("M", 3)), "device_releasing": Column(np.int64, 0, ("M", 3)),
                "version": Column(np.int64),
            },
            M=0,
        )  # fmt: skip
        self._ranks: I32 | None = None
        self.smallest_memory = 0

    def find(self, name: str) -> int:
        """The node's row, -1 if it is not known."""
        return self._nodes.find(name)

    def reading(self, name: str) -> NodeReading | None:
        row = self._nodes.find(name)
        return self._nodes.values[row] if row >= 0 else None

    def apply(self, reading: NodeReading, version: int) -> None:
        """Take a node that is new or changed, with nothing on it: what holds room there is counted anew."""
        if reading.facts.name not in self._nodes:
            self._ranks = None
        row = self._nodes.take(reading.facts.name)
        self._nodes.values[row] = reading
        allocatable = self._resources.vector(reading.allocatable)
        self._nodes.widen("M", len(reading.cards))
        of = self._nodes.of
        of["allocatable"][row] = of["idle"][row] = allocatable
        of["releasing"][row] = of["device_releasing"][row] = of["device_total"][row] = 0
        for place, card in enumerate(reading.cards):
            of["device_total"][row, place] = (card.slots, card.memory, 100 if card.slots else 0)
        of["device_free"][row] = of["device_total"][row]
        of["version"][row] = version
        self._find_smallest_card()

    def remove(self, name: str) -> None:
        self._nodes.release(name)
        self._ranks = None
        self._find_smallest_card()

    def _find_smallest_card(self) -> None:
        cards = (card for reading in self._nodes.values if reading is not None for card in reading.cards)
        self.smallest_memory = min((card.memory for card in cards if card.slots and card.memory), default=0)

    def cards(self, row: int) -> tuple[Card, ...]:
        return self._nodes.value(row).cards if row >= 0 else ()

    def places(self, row: int, grants: Sequence[Grant]) -> tuple[int, ...]:
        """Where on the node these cards are; -1 for one that is not registered there."""
        if not grants:
            return ()
        place_of = {card.uuid: place for place, card in enumerate(self.cards(row))}
        return tuple(place_of.get(grant.uuid, -1) for grant in grants)

    def hold(
        self, row: int, pod: PodReading, request: I64, places: Sequence[int], *, releasing: bool, sign: int
    ) -> None:
        """Take (or with sign -1 give back) a pod's room and cards on a node; all cards, if it may hold any."""
        of = self._nodes.of
        of["idle"][row] -= sign * request
        taken = np.zeros_like(of["device_total"][row])
        if not derive.names_its_cards(pod.asks, pod.grants):
            taken += of["device_total"][row]
        for grant, place in zip(pod.grants, places, strict=True):
            if place >= 0:
                taken[place] += (1, grant.memory, grant.cores)
        of["device_free"][row] -= sign * taken
        if releasing:
            of["releasing"][row] += sign * request
            of["device_releasing"][row] += sign * taken

    def touch(self, row: int, version: int) -> None:
        """Decisions of before `version` rest on another state of this node."""
        self._nodes.of["version"][row] = version

    def version(self, row: int) -> int:
        return int(self._nodes.of["version"][row])

    # For a snapshot

    def arrays(self) -> Nodes:
        if self._ranks is None:
            self._ranks = derive.ranks([reading.facts.name if reading else None for reading in self._nodes.values])
        live = np.array([reading is not None for reading in self._nodes.values], np.bool_)
        return Nodes(self._nodes.copy("allocatable", len(self._resources)), self._ranks, live)

    def devices(self) -> Devices:
        return Devices(self._nodes.copy("device_total"), self.smallest_memory)

    def left(self) -> tuple[I64, I64, I64, I64]:
        """Idle, releasing, cards free and cards being released, as a ledger begins with them."""
        nodes, width = self._nodes, len(self._resources)
        return (
            nodes.copy("idle", width),
            nodes.copy("releasing", width),
            nodes.copy("device_free"),
            nodes.copy("device_releasing"),
        )

    def facts(self) -> tuple[NodeFacts | None, ...]:
        return tuple(reading.facts if reading else None for reading in self._nodes.values)

    def registered(self) -> tuple[tuple[Card, ...], ...]:
        return tuple(reading.cards if reading else () for reading in self._nodes.values)
