"""A gang that is not whole goes before one that only grows. Source: reference/kai.md §2.2, elastic."""

import numpy as np

from aiokai.snapshot.arrays import I64, Ledger, Snapshot, TaskState

_PLACED = (TaskState.ALLOCATED, TaskState.PIPELINED, TaskState.BOUND, TaskState.RUNNING, TaskState.SUCCEEDED)


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

    def gang_key(self, snapshot: Snapshot, ledger: Ledger, gang: int) -> int:
        rows = np.array(snapshot.gang_tasks[gang], np.int32)
        placed = np.count_nonzero(np.isin(ledger.task_state[rows], _PLACED))
        minimum = snapshot.facts.subgroups.min_member[snapshot.facts.gangs.root[gang]]
        return int(np.sign(placed - minimum)) + 1
