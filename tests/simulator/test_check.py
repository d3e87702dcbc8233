"""An expectation that does not hold is told; one that holds is not."""

import pytest

from aiokai.simulator.check import Mismatch, check
from aiokai.simulator.replay import replay
from aiokai.snapshot.case import parse_case

CLUSTER = """
nodes: {n0: {nvidia.com/gpu: 4}, n1: {nvidia.com/gpu: 2}}
queues: {q: {capability: {nvidia.com/gpu: 5}}}
gangs:
  runs:  {queue: q, tasks: 3, request: {nvidia.com/gpu: 1}, on: n0}
  train: {queue: q, minMember: 1, tasks: 3, request: {nvidia.com/gpu: 1}}
"""


def mismatches(expect: str, more: str = "") -> list[Mismatch]:
    case = parse_case(f"{CLUSTER}{more}\nexpect: {expect}", "case.yaml")
    return check(case, list(replay(case)))


HOLDS = [
    "{train: {bound: 2, pending: 1}, runs: running}",
    "{train: {bound: 2}}",
    "{train: {bound: 2, pending: 1, on: [n0, n1], reason: QueueOverCapability}}",
    "{train-0: bound on n0, train-1: bound on n1, default/runs: running on n0}",
    "{train: {on: [n1, n0]}}",
    "{train: {bound: 2, message: no more than nvidia.com/gpu}, queues: {q: {nvidia.com/gpu: 5}}}",
]
FAILS = [
    "{train: bound}",
    "{train: {bound: 3}}",
    "{train: {bound: 2, pending: 0}}",
    "{train: {pending: 1}}",
    "{train: {bound: 2, on: [n0]}}",
    "{train: {bound: 2, reason: NeverFits}}",
    "{train: {bound: 2, message: something else}}",
    "{train: {bound: 2, moved: true}}",
    "{train: {bound: 2, phase: Pending}}",
    "{train: {bound: 2}, runs: bound}",
    "{train: {bound: 2}, runs: running on n1}",
    "{train-0: bound on n1, train-1: bound}",
    "{train-0: bound}",
    "{runs: running}",
    "{}",
    "{train: {bound: 2}, queues: {q: {nvidia.com/gpu: 4}}}",
]


@pytest.mark.parametrize("expect", HOLDS)
def test_what_holds_is_not_told(expect: str) -> None:
    assert mismatches(expect) == []


@pytest.mark.parametrize("expect", FAILS)
def test_what_does_not_hold_is_told(expect: str) -> None:
    assert mismatches(expect)


def test_a_mismatch_tells_what_was_wanted_what_came_and_why() -> None:
    (found,) = mismatches("{train: {bound: 3, on: [n0]}}")
    assert (found.cycle, found.name, found.wanted) == (1, "train", "3 bound on n0")
    assert found.got == "2 bound on n0, n1; 1 pending"
    assert found.reason.startswith("QueueOverCapability: queue q may use no more than")


def test_what_is_not_named_must_have_had_no_decision() -> None:
    assert {found.name for found in mismatches("{runs: running}")} == {"train-0", "train-1"}
    assert {found.cycle for found in mismatches("{runs: running}", "cycles: 2")} == {1}


def test_with_several_cycles_running_is_as_good_as_bound() -> None:
    assert mismatches("{train: {running: 2, pending: 1}}", "cycles: 2") == []
    assert mismatches("[{train: {running: 2}}, {train: {running: 2}}]") == []
    assert mismatches("{train: {running: 2, pending: 1}}")
    assert mismatches("{train: {bound: 2, pending: 1}}", "cycles: 2")
