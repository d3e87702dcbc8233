"""An all-or-nothing group of operations on the ledger.

    with session.statement() as statement:
        if statement.place(tasks) == len(tasks):
            statement.commit()               # without it, leaving the block undoes everything

Python never writes a Ledger array: kernels do, and log what they did.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from aiokai.kernels import ledger as kernels
from aiokai.kernels.place import Static, Trees, Weights, place
from aiokai.model.reasons import Reason
from aiokai.snapshot.arrays import I32, Facts, Ledger


class Table(NamedTuple):
    """All that the kernels of a statement work on."""

    facts: Facts
    ledger: Ledger
    journal: kernels.Journal
    weights: Weights
    static: Static
    trees: Trees
    stopped: I32  # [2] why placing stopped: Reason, queue row


class Operation(NamedTuple):
    """One entry of the log: `what` is ALLOCATE, PIPELINE or EVICT of `aiokai.kernels.ledger`."""

    what: int
    task: int


class Statement:
    """See the module. Statements do not nest; `checkpoint` and `rollback` serve for trying inside one."""

    def __init__(self, table: Table, committed: list[Operation]) -> None:
        assert table.journal.length[0] == 0, "a statement is open already"
        self._table = table
        self._committed = committed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.checkpoint():
            self.rollback(0)

    def place(self, tasks: Sequence[int], *, pipeline: bool = False) -> int:
        """Place pending tasks in their order until one does not fit; returns how many were placed."""
        table = self._table
        return place(
            table.facts, table.ledger, table.journal, table.weights, table.static, table.trees,
            np.array(tasks, np.int32), pipeline, table.stopped,
        )  # fmt: skip

    def evict(self, tasks: Sequence[int]) -> None:
        """Take tasks off their nodes; their room is releasing."""
        kernels.evict(self._table.facts, self._table.ledger, self._table.journal, np.array(tasks, np.int32))

    @property
    def stopped(self) -> tuple[Reason, int]:
        """Why the last `place` stopped before the end, and the queue that stopped it, if one did."""
        return Reason(int(self._table.stopped[0])), int(self._table.stopped[1])

    def checkpoint(self) -> int:
        return int(self._table.journal.length[0])

    def rollback(self, to: int) -> None:
        """Undo what was done since the checkpoint."""
        kernels.rollback(self._table.facts, self._table.ledger, self._table.journal, to)

    def commit(self) -> None:
        """Let what was done stand."""
        self._committed += map(Operation._make, self._table.journal.log[: self.checkpoint(), :2].tolist())
        kernels.close_log(self._table.journal)
