"""Queues, and what is charged to each of them alone."""

import numpy as np

from aiokai.model.base import Identity
from aiokai.model.queue import Queue
from aiokai.snapshot import derive
from aiokai.snapshot.arrays import GPU_COLUMN, I64, Queues
from aiokai.snapshot.table import Column, Resources, Table


class QueueTable:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._queues: Table[Identity, Queue] = resources.table(
            {"planned": Column(np.int64, 0, ("R",)), "held": Column(np.int64, 0, ("R",)), "version": Column(np.int64)}
        )
        self._arrays: Queues | None = None

    def __contains__(self, identity: Identity) -> bool:
        return identity in self._queues

    def resolve(self, dialect: str, name: str) -> int:
        """The row of the queue that this name means in a dialect; -1 if there is none."""
        rows = (self._queues.find(identity) for identity in derive.referred_queues(dialect, name))
        return next((row for row in rows if row >= 0), -1)

    def apply(self, queue: Queue, version: int) -> bool:
        """Take a queue; False if nothing changed that decisions depend on."""
        row = self._queues.take(queue.identity)
        known, self._queues.values[row] = self._queues.values[row], queue
        if known is not None and _created(known) == _created(queue) and known.spec == queue.spec:
            return False
        for amounts in (queue.spec.capability, queue.spec.deserved, queue.spec.guarantee):
            self._resources.learn(amounts or ())
        self._arrays = None
        self._queues.of["version"][row] = version
        return True

    def remove(self, identity: Identity) -> None:
        self._queues.release(identity)
        self._arrays = None

    def charge(self, row: int, charge: I64, gpu_correction: int, *, planned: bool, sign: int) -> None:
        """Charge (or with sign -1 refund) a queue; `gpu_correction`: real cards less their estimate."""
        for name in ("held", "planned") if planned else ("held",):
            self._queues.of[name][row] += sign * charge
            self._queues.of[name][row, GPU_COLUMN] += sign * gpu_correction

    def version(self, row: int) -> int:
        """When the queue, or one above it, was changed last."""
        parent, newest = self.arrays().parent, 0
        while row >= 0:
            newest = max(newest, int(self._queues.of["version"][row]))
            row = int(parent[row])
        return newest

    # For a snapshot

    def arrays(self) -> Queues:
        shape = (self._queues.size, len(self._resources))
        if self._arrays is None or self._arrays.capability.shape != shape:
            self._arrays = derive.queue_arrays(self._queues.values, self._resources.columns, shape[1])
        return self._arrays

    def used(self, queues: Queues) -> tuple[I64, I64]:
        """Planned and held of each queue and all below it."""
        width = len(self._resources)
        planned, held = self._queues.copy("planned", width), self._queues.copy("held", width)
        return derive.roll_up(planned, queues), derive.roll_up(held, queues)

    def objects(self) -> tuple[Queue | None, ...]:
        return tuple(self._queues.values)


def _created(queue: Queue) -> object:
    return queue.metadata.creation_timestamp
