import json
from typing import Any

import pytest

from aiokai.controllers.changes import Changes
from aiokai.controllers.queue import default_queue, reconcile
from aiokai.dialects import AIOKAI
from aiokai.model.pod_group import PodGroup


def queue(state: str, told: str = "") -> dict[str, Any]:
    return {"metadata": {"name": "research"}, "spec": {"state": state}, "status": {"state": told} if told else {}}


def pod_group(phase: str) -> PodGroup:
    body = {"metadata": {"name": "g"}, "spec": {"queue": "research"}, "status": {"phase": phase}}
    return AIOKAI.pod_group.decode(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("wanted", "phases", "state"),
    [
        ("Open", [], "Open"),
        ("Open", ["Running"], "Open"),
        ("Closed", ["Pending"], "Closing"),
        ("Closed", ["Completed", "Running"], "Closing"),
        ("Closed", ["Completed"], "Closed"),
        ("Closed", [], "Closed"),
    ],
)
def test_a_queue_closes_once_nothing_in_it_is_unfinished(wanted: str, phases: list[str], state: str) -> None:
    changes = reconcile(queue(wanted), [pod_group(phase) for phase in phases], AIOKAI)
    assert changes.status == {"state": state}


def test_a_state_that_is_told_already_is_not_told_again() -> None:
    assert reconcile(queue("Open", "Open"), [], AIOKAI) == Changes()


def test_only_a_change_is_an_event() -> None:
    assert not reconcile(queue("Open"), [], AIOKAI).events
    (event,) = reconcile(queue("Closed", "Open"), [pod_group("Running")], AIOKAI).events
    assert (event.type, event.reason) == ("Normal", "Closing")


def test_a_queue_that_cannot_be_read_is_left_alone() -> None:
    assert reconcile({"metadata": {"name": "q"}, "spec": {"weight": 0}}, [], AIOKAI) == Changes()


def test_the_default_queue_can_be_read() -> None:
    made = default_queue(AIOKAI)
    assert AIOKAI.queue.decode(json.dumps(made.body).encode()).metadata.name == "default"
