"""The quantum: the smallest set of tasks that makes a gang whole, and above that one task at a time.

A gang is whole when each of its subgroups has its minimum, and the gang itself has its own, counted over all its tasks.
Source: reference/kai.md §2.3, reference/volcano.md §1.1 (minTaskMember).
"""

from collections import Counter
from dataclasses import dataclass
from itertools import islice

from aiokai.session.session import Session
from aiokai.snapshot.arrays import I32


@dataclass(frozen=True, slots=True)
class Quantum:
    """What a gang needs next.

    Attributes:
        tasks: rows in placing order; empty when there is nothing to place.
        missing: how many pods that do not exist, or are held back, it lacks to become whole.
        whole: True if the gang is whole already and this is one more.
    """

    tasks: tuple[int, ...]
    missing: int
    whole: bool


def quantum_of(session: Session, gang: int) -> Quantum:
    """What the gang needs next, by what is placed now."""
    tasks, subgroups = session.facts.tasks, session.facts.subgroups
    pending = session.pending(gang)
    if not session.gang(gang).subgroups:
        lacking = int(subgroups.min_member[session.facts.gangs.root[gang]]) - session.count_placed(gang)
        if lacking <= 0:
            return Quantum(tuple(pending[:1]), 0, whole=True)
        return Quantum(tuple(pending[:lacking]), max(lacking - len(pending), 0), whole=False)
    placed: Counter[int] = Counter()
    for task in session.snapshot.gang_tasks[gang]:
        if session.is_placed(task):
            _count_up(placed, int(tasks.subgroup[task]), subgroups.parent)
    chosen: dict[int, None] = {}
    missing = 0
    # Those below come first: what they need counts for those above them.
    for _, group in reversed(session.gang(gang).subgroups):
        lacking = int(subgroups.min_member[group]) - placed[group]
        if lacking <= 0:
            continue
        members = (t for t in pending if t not in chosen and _is_below(int(tasks.subgroup[t]), group, subgroups.parent))
        for task in islice(members, lacking):
            chosen[task] = None
            _count_up(placed, int(tasks.subgroup[task]), subgroups.parent)
            lacking -= 1
        missing += lacking
    root = int(session.facts.gangs.root[gang])
    lacking = int(subgroups.min_member[root]) - placed[root]
    if lacking > 0:
        rest = [task for task in pending if task not in chosen][:lacking]
        chosen |= dict.fromkeys(rest)
        missing = max(missing, lacking - len(rest))
    if chosen or missing:
        return Quantum(tuple(task for task in pending if task in chosen), missing, whole=False)
    return Quantum(tuple(pending[:1]), 0, whole=True)


def _count_up(placed: Counter[int], subgroup: int, parent: I32) -> None:
    """One more task in the subgroup and in all above it."""
    while subgroup >= 0:
        placed[subgroup] += 1
        subgroup = int(parent[subgroup])


def _is_below(subgroup: int, above: int, parent: I32) -> bool:
    while subgroup >= 0:
        if subgroup == above:
            return True
        subgroup = int(parent[subgroup])
    return False
