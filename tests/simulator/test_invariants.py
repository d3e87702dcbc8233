"""A cycle that gave away too much, or a part of a gang, is found out."""

import numpy as np
import pytest

from aiokai.simulator.invariants import check_invariants, copy_of
from aiokai.simulator.world import World
from aiokai.snapshot.arrays import TaskState
from aiokai.snapshot.case import parse_case

CASE = """
nodes: {n0: {cpu: 2}}
queues: {default: {capability: {cpu: 4}}}
gangs: {train: {tasks: 2, request: {cpu: 1}}}
"""


def test_more_than_a_node_has() -> None:
    snapshot, ledger = World(parse_case(CASE, "case.yaml")).snapshot()
    after = copy_of(ledger)
    after.node_idle[0, 0] = -1
    with pytest.raises(AssertionError, match="a node gives more than it has"):
        check_invariants(snapshot, ledger, after)
    check_invariants(snapshot, after, after)


def test_more_than_a_queue_may_have() -> None:
    snapshot, ledger = World(parse_case(CASE, "case.yaml")).snapshot()
    after = copy_of(ledger)
    after.queue_held[0, 0] = 5000
    with pytest.raises(AssertionError, match="a queue gives more than it has"):
        check_invariants(snapshot, ledger, after)


def test_a_part_of_a_gang() -> None:
    snapshot, ledger = World(parse_case(CASE, "case.yaml")).snapshot()
    after = copy_of(ledger)
    after.task_state[0] = TaskState.ALLOCATED
    with pytest.raises(AssertionError, match="gang train got 1 of 2 it needs"):
        check_invariants(snapshot, ledger, after)
    after.task_state[1] = TaskState.ALLOCATED
    check_invariants(snapshot, ledger, after)
    assert np.count_nonzero(ledger.task_state) == 0
