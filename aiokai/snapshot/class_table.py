"""Classes and constraint sets: what many pods share is kept once, while somebody uses it."""

import numpy as np

from aiokai.devices import vgpu
from aiokai.snapshot import derive
from aiokai.snapshot.arrays import I64, Classes, ConstraintSet
from aiokai.snapshot.reading import Amount, PodReading
from aiokai.snapshot.table import Column, Resources, Table

ClassKey = tuple[tuple[Amount, ...], ConstraintSet, tuple[vgpu.Ask, ...]]


def class_of(reading: PodReading) -> ClassKey:
    """Pods with equal keys are equal to every filter, and ask for the same."""
    return reading.request, reading.constraints, reading.asks


class ClassTable:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._classes: Table[ClassKey, ClassKey] = resources.table(
            {
                "request": Column(np.int64, 0, ("R",)), "charge": Column(np.int64, 0, ("R",)),
                "constraint_set": Column(np.int32, -1), "asks": Column(np.int64, 0, ("A", 3)),
                "ask_container": Column(np.int32, -1, ("A",)), "uses": Column(np.int64),
            },
            A=1,
        )  # fmt: skip
        self._sets: Table[ConstraintSet, ConstraintSet] = Table({"uses": Column(np.int64)})
        self.smallest_memory = 0

    def take(self, reading: PodReading) -> int:
        """The row of the pod's class, with one user more."""
        key = class_of(reading)
        fresh = key not in self._classes
        row = self._classes.take(key)
        if fresh:
            self._fill(row, key)
        self._classes.of["uses"][row] += 1
        return row

    def release(self, reading: PodReading) -> None:
        """One user less."""
        key, uses = class_of(reading), self._classes.of["uses"]
        row = self._classes.find(key)
        uses[row] -= 1
        if uses[row] == 0:
            self._classes.release(key)
            constraint_set = self._sets.find(reading.constraints)
            self._sets.of["uses"][constraint_set] -= 1
            if self._sets.of["uses"][constraint_set] == 0:
                self._sets.release(reading.constraints)

    def _fill(self, row: int, key: ClassKey) -> None:
        request, constraints, asks = key
        self._classes.widen("A", len(asks))
        constraint_set = self._sets.take(constraints)
        self._sets.values[constraint_set] = constraints
        self._sets.of["uses"][constraint_set] += 1
        vector, charge = self._resources.vector(request), self._charge(key)
        of = self._classes.of
        of["request"][row], of["charge"][row] = vector, charge
        of["constraint_set"][row] = constraint_set
        for i, ask in enumerate(asks):
            of["asks"][row, i], of["ask_container"][row, i] = (1, ask.memory, ask.cores), ask.container

    def _charge(self, key: ClassKey) -> I64:
        request, _, asks = key
        return self._resources.vector(derive.charge_of(request, asks, self.smallest_memory).items())

    def estimate_by(self, smallest_memory: int) -> None:
        """Charge shares of a card by a card of this memory, as long as the card is not known."""
        self.smallest_memory = smallest_memory
        for key in self._classes:
            self._classes.of["charge"][self._classes.find(key)] = self._charge(key)

    def request(self, row: int) -> I64:
        request: I64 = self._classes.of["request"][row]
        return request

    def charge(self, row: int) -> I64:
        charge: I64 = self._classes.of["charge"][row]
        return charge

    def arrays(self) -> Classes:
        classes, width = self._classes, len(self._resources)
        return Classes(
            request=classes.copy("request", width),
            charge=classes.copy("charge", width),
            constraint_set=classes.copy("constraint_set"),
            asks=classes.copy("asks"),
            ask_container=classes.copy("ask_container"),
        )

    def constraint_sets(self) -> tuple[ConstraintSet | None, ...]:
        return tuple(self._sets.values)
