"""Who is served first, and what a gang needs next."""

from aiokai.model.configuration import Profile
from aiokai.session.decisions import Decisions
from aiokai.snapshot.reading import natural_order
from tests.support.building import make_group, make_node, make_pod, make_queue
from tests.support.mirror import Mirror


def bound(decisions: Decisions) -> list[str]:
    return [bind.name for gang in decisions.gangs for bind in gang.binds]


def test_names_are_ordered_as_people_count_and_only_equal_names_are_equal() -> None:
    names = ["w-10", "w-2", "w", "w-02", "x-1", "10", "w-2b"]
    assert sorted(names, key=natural_order) == ["10", "w", "w-02", "w-2", "w-2b", "w-10", "x-1"]
    assert natural_order("n1") != natural_order("n01")


def test_the_queue_with_the_smallest_share_of_its_own_is_served_first() -> None:
    mirror = Mirror()
    mirror.put(make_queue("rich", weight=3), make_queue("poor"), make_node("n0", {"cpu": "8"}))
    for queue in ("rich", "poor"):
        mirror.put(*(make_pod(f"{queue}-{i}", {"cpu": "1"}, queue=queue) for i in range(8)))
    assert sorted(name.split("-")[0] for name in bound(mirror.schedule())) == ["poor"] * 2 + ["rich"] * 6


def test_an_older_gang_goes_first_and_a_higher_priority_before_it() -> None:
    mirror = Mirror()
    mirror.put(make_queue("default"), make_node("n0", {"cpu": "8"}))
    mirror.put(make_pod("young", {"cpu": "1"}), make_pod("old", {"cpu": "1"}, age_s=60))
    mirror.put(make_pod("urgent", {"cpu": "1"}, priority=5))
    assert bound(mirror.schedule()) == ["urgent", "old", "young"]


def test_first_in_first_out_lets_nobody_pass() -> None:
    mirror = Mirror()
    mirror.put(make_queue("default", dequeueStrategy="fifo"), make_node("n0", {"cpu": "8"}))
    mirror.put(make_pod("large", {"cpu": "9"}, age_s=60), make_pod("small", {"cpu": "1"}))
    assert bound(mirror.schedule()) == []
    mirror.put(make_queue("default", dequeueStrategy="traverse"))
    assert bound(mirror.schedule()) == ["small"]


def test_every_subgroup_gets_its_minimum_before_any_gets_more() -> None:
    mirror = Mirror()
    groups = [{"name": "left", "minMember": 1}, {"name": "right", "minMember": 2}]
    mirror.put(make_queue("default"), make_node("n0", {"cpu": "3"}), make_group("g", 3, subGroups=groups))
    for side in ("left", "right"):
        mirror.put(*(make_pod(f"{side}-{i}", {"cpu": "1"}, group="g", subgroup=side) for i in range(3)))
    assert sorted(bound(mirror.schedule())) == ["left-0", "right-0", "right-1"]


def test_a_subgroup_that_lacks_a_pod_keeps_the_whole_gang_waiting() -> None:
    mirror = Mirror()
    groups = [{"name": "left", "minMember": 1}, {"name": "right", "minMember": 2}]
    mirror.put(make_queue("default"), make_node("n0", {"cpu": "9"}), make_group("g", 1, subGroups=groups))
    mirror.put(make_pod("left-0", {"cpu": "1"}, group="g", subgroup="left"))
    mirror.put(make_pod("right-0", {"cpu": "1"}, group="g", subgroup="right"))
    assert bound(mirror.schedule()) == []


def test_tasks_that_ask_for_nothing_do_not_hide_those_of_a_whole_gang_that_ask() -> None:
    mirror = Mirror()
    mirror.put(make_queue("default"), make_node("n0", {"cpu": "9"}), make_group("g", 1))
    mirror.put(make_pod("a", {"cpu": "1"}, group="g"), make_pod("b", group="g"), make_pod("c", {"cpu": "1"}, group="g"))
    assert bound(mirror.schedule(Profile())) == ["a", "c", "b"]


def test_many_gangs_of_a_kind_that_cannot_start_are_all_told_the_same() -> None:
    mirror = Mirror()
    mirror.put(make_queue("default"), make_node("n0", {"cpu": "2"}))
    mirror.put(*(make_pod(f"p{i}", {"cpu": "3"}) for i in range(5)))
    verdicts = [gang.verdict for gang in mirror.schedule().gangs]
    assert len({verdict.message for verdict in verdicts if verdict}) == 1
    assert sorted(pod for verdict in verdicts if verdict for _, _, pod in verdict.pods) == [f"p{i}" for i in range(5)]
