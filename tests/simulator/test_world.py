"""How the world answers between two cycles."""

from aiokai.simulator.replay import CycleOutcome, replay
from aiokai.snapshot.case import parse_case


def states(text: str) -> list[dict[str, str]]:
    """After each cycle the state of each task, by name."""
    return [_by_name(outcome) for outcome in replay(parse_case(text, "case.yaml"))]


def _by_name(outcome: CycleOutcome) -> dict[str, str]:
    return {name: task.state for (_, name), task in outcome.tasks.items()}


ONE = "nodes: {n0: {cpu: 1}}\ngangs: {a: {request: {cpu: 1}}, b: {request: {cpu: 1}}}\ncycles: 3\n"


def test_bound_pods_run() -> None:
    assert states(ONE) == [
        {"a-0": "bound", "b-0": "pending"},
        {"a-0": "running", "b-0": "pending"},
        {"a-0": "running", "b-0": "pending"},
    ]


def test_bound_pods_may_end_instead_so_that_others_get_their_room() -> None:
    assert states(ONE + "then: {bound: succeeded}") == [
        {"a-0": "bound", "b-0": "pending"},
        {"a-0": "succeeded", "b-0": "bound"},
        {"a-0": "succeeded", "b-0": "succeeded"},
    ]


def test_running_pods_may_end_or_vanish() -> None:
    text = "nodes: {n0: {cpu: 1}}\ngangs: {a: {request: {cpu: 1}, on: n0}, b: {request: {cpu: 1}}}\ncycles: 2\n"
    assert states(text + "then: {running: failed}")[1] == {"a-0": "failed", "b-0": "bound"}
    assert states(text + "then: {running: gone}")[1] == {"b-0": "bound"}


LEAVING = """
nodes: {n0: {cpu: 1}}
gangs: {a: {request: {cpu: 1}, on: n0, state: releasing, age: 1h}, b: {request: {cpu: 1}}}
cycles: 2
"""


def test_pods_that_were_being_deleted_are_gone() -> None:
    assert states(LEAVING) == [{"a-0": "releasing", "b-0": "pipelined"}, {"b-0": "bound"}]


def test_their_owner_may_make_them_again() -> None:
    assert states(LEAVING + "then: {releasing: recreated}")[1] == {"a-0": "bound", "b-0": "pending"}
    fixed = LEAVING.replace("state: releasing", "state: releasing, recreated: false")
    assert states(fixed + "then: {releasing: recreated}")[1] == {"b-0": "bound"}


def test_a_card_is_free_again_when_its_pod_is_made_again() -> None:
    text = """
nodes: {v0: {cpu: 4, devices: {vgpu: {count: 1, memory: 1000}}}}
gangs: {a: {request: {vgpu-memory: 1000}, on: v0, state: releasing}}
cycles: 2
then: {releasing: recreated}
"""
    assert states(text) == [{"a-0": "releasing"}, {"a-0": "bound"}]


def test_pods_are_made_once_their_gang_is_admitted() -> None:
    text = "nodes: {n0: {cpu: 2}}\ngangs: {a: {tasks: 2, request: {cpu: 1}, created: false}}\ncycles: 2\n"
    assert states(text) == [{"a-0": "pending", "a-1": "pending"}, {"a-0": "bound", "a-1": "bound"}]
