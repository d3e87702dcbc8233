"""Amounts that could not be added up without overflow are refused where they are read."""

from aiokai.model.configuration import Configuration
from aiokai.model.reasons import Reason
from aiokai.snapshot.reading import read_node, read_pod
from tests.support.building import make_node, make_pod


def test_a_pod_that_asks_for_more_than_any_node_has_is_invalid() -> None:
    reading = read_pod(make_pod("huge", {"memory": "4E"}), Configuration())
    assert reading is not None
    assert reading.obstacle is Reason.INVALID
    assert reading.problem == "spec.containers[0].resources.requests[memory]: '4E' is more than any node has"


def test_a_node_that_says_it_has_so_much_has_nothing() -> None:
    reading = read_node(make_node("liar", {"memory": "4E"}))
    assert reading.allocatable == ()
    assert "status.allocatable[memory]" in reading.problem
