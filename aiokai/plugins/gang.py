"""A gang that is not whole goes before one that only grows. Source: reference/kai.md §2.2, elastic."""

import numpy as np

from aiokai.snapshot.arrays import I64, Ledger, Snapshot, TaskState

_PLACED = (TaskState.BOUND, TaskState.RUNNING, TaskState.SUCCEEDED)


class Gang:
    def gang_keys(self, snapshot: Snapshot, ledger: Ledger) -> I64:
        """[G] 0 below the minimum, 1 at it, 2 above it."""
        tasks, gangs = snapshot.facts.tasks, snapshot.facts.gangs
        counts = np.zeros(len(gangs.live), np.int64)
        placed = (tasks.gang >= 0) & np.isin(ledger.task_state, _PLACED)
        np.add.at(counts, tasks.gang[placed], 1)
        minimum = snapshot.facts.subgroups.min_member[gangs.root] if len(counts) else counts
        keys: I64 = np.sign(counts - minimum) + 1
        return keys
