"""What a cycle must never do, whatever was expected of it (DESIGN §11): looked for after the decision, on its ledger.

What was broken before the cycle began (a node that another scheduler overfilled, a queue whose capability was lowered)
is no fault of the cycle, as long as it adds nothing to it.
"""

import numpy as np

from aiokai.snapshot.arrays import I64, Bool, Ledger, Snapshot, TaskState

_DECIDED = (TaskState.ALLOCATED, TaskState.PIPELINED)
_MEMBER = (*_DECIDED, TaskState.BOUND, TaskState.RUNNING, TaskState.SUCCEEDED)


def copy_of(ledger: Ledger) -> Ledger:
    """The ledger as it is now, which a cycle will use up."""
    return Ledger._make(array.copy() for array in ledger)


def check_invariants(snapshot: Snapshot, before: Ledger, after: Ledger) -> None:
    """Look at what a cycle made of `before`.

    Raises:
        AssertionError: it gave more than there is or than a queue may have, or a part of a gang's minimum.
    """
    live = snapshot.facts.nodes.live
    _nothing_below_zero("a node", before.node_idle[live], after.node_idle[live])
    _nothing_below_zero("a card", before.device_free, after.device_free)
    capability = snapshot.facts.queues.capability
    _nothing_below_zero("a queue", capability - before.queue_held, capability - after.queue_held)
    _nothing_below_zero("a queue", capability - before.queue_planned, capability - after.queue_planned)
    _gangs_are_whole(snapshot, after)


def _nothing_below_zero(what: str, before: I64, after: I64) -> None:
    worse: Bool = (after < 0) & (after < before)
    assert not worse.any(), f"{what} gives more than it has: {after[worse].tolist()}"


def _gangs_are_whole(snapshot: Snapshot, after: Ledger) -> None:
    facts, used = snapshot.facts, snapshot.facts.tasks.gang >= 0
    touched = used & np.isin(after.task_state, _DECIDED)
    members = used & np.isin(after.task_state, _MEMBER)
    counts = np.bincount(facts.tasks.gang[members], minlength=len(snapshot.gangs))
    for gang in np.unique(facts.tasks.gang[touched]).tolist():
        minimum = int(facts.subgroups.min_member[facts.gangs.root[gang]])
        told = snapshot.gangs[gang]
        assert counts[gang] >= minimum, f"gang {told.name if told else gang} got {counts[gang]} of {minimum} it needs"
