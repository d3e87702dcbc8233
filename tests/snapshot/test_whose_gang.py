"""A PodGroup names no scheduler: whose it is, is seen from its pods, its maker, and who goes by the system's name."""

import json
from typing import Any

import pytest

from aiokai.dialects import VOLCANO
from aiokai.model.base import Identity
from aiokai.model.configuration import Configuration, DialectChoice
from aiokai.model.kube import Namespace, ObjectMeta
from aiokai.model.pod_group import GangKey, PodGroup
from tests.support.building import NAMESPACE, make_node, make_pod, make_queue
from tests.support.mirror import Mirror, canonical

GROUP = "scheduling.k8s.io/group-name"
KEY = GangKey("volcano", NAMESPACE, "g", lone=False)
IN_PLACE = DialectChoice(name="volcano", scheduler_names=("volcano",))
BESIDE = DialectChoice(name="volcano", scheduler_names=("aiokai-volcano",))
READ = DialectChoice(name="volcano", mode="read")
OWNER = {"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "name": "j", "uid": "j", "controller": True}


def mirror(choice: DialectChoice) -> Mirror:
    native = DialectChoice(name="aiokai", scheduler_names=("aiokai",))
    made = Mirror(Configuration(dialects=(native, choice)))
    made.put(make_node("n0", {"cpu": "8"}), make_queue("default"))
    return made


def group(**metadata: Any) -> PodGroup:
    body = {"metadata": {"name": "g", "namespace": NAMESPACE, **metadata}, "spec": {"minMember": 1}}
    return VOLCANO.pod_group.decode(json.dumps(body).encode())


def is_live(world: Mirror) -> bool:
    """Whether the gang is decided about; the plain twin says the same."""
    snapshot, ledger = world.cache.snapshot(world.build()[0].now)
    assert canonical(snapshot, ledger) == canonical(*world.build())
    row = next(row for row, facts in enumerate(snapshot.gangs) if facts is not None and facts.name == "g")
    return bool(snapshot.facts.gangs.live[row])


@pytest.mark.parametrize(("choice", "ours"), [(IN_PLACE, True), (BESIDE, False), (READ, False)])
def test_a_pod_group_without_pods_belongs_to_who_goes_by_the_systems_name(choice: DialectChoice, ours: bool) -> None:
    world = mirror(choice)
    world.put(group())
    assert is_live(world) is ours
    assert bool([gang for gang in world.schedule().gangs if gang.gang == KEY]) is ours


@pytest.mark.parametrize(("choice", "ours"), [(IN_PLACE, True), (BESIDE, True), (READ, False)])
def test_a_pod_group_of_our_job_controller_is_ours(choice: DialectChoice, ours: bool) -> None:
    world = mirror(choice)
    world.put(group(annotations={"aiokai.io/content": "abc"}, ownerReferences=[OWNER]))
    assert is_live(world) is ours


def test_a_pod_group_of_anothers_job_controller_is_not() -> None:
    world = mirror(IN_PLACE)
    world.put(group(ownerReferences=[OWNER]))
    assert not is_live(world)


def test_a_pod_group_is_ours_as_long_as_a_pod_of_ours_is_in_it() -> None:
    world = mirror(BESIDE)
    world.put(group(), make_pod("theirs", scheduler="volcano", annotations={GROUP: "g"}))
    assert not is_live(world)
    world.put(make_pod("ours", scheduler="aiokai-volcano", annotations={GROUP: "g"}))
    assert is_live(world)
    world.drop_pod("uid-ours")
    assert not is_live(world)


def test_a_pod_group_that_cannot_be_read_is_told_from_its_pods_alone() -> None:
    world = mirror(BESIDE)
    world.spoil(Identity("volcano", NAMESPACE, "g"))
    assert not is_live(world)
    world.put(make_pod("ours", scheduler="aiokai-volcano", annotations={GROUP: "g"}))
    assert is_live(world)


def test_a_name_is_looked_for_in_its_own_dialect_first() -> None:
    world = mirror(IN_PLACE)
    world.put(group(), make_queue("default", dialect="volcano", capability={"cpu": "1"}))
    snapshot, _ = world.cache.snapshot(world.build()[0].now)
    (row,) = [row for row, facts in enumerate(snapshot.gangs) if facts is not None]
    queue = snapshot.queues[int(snapshot.facts.gangs.queue[row])]
    assert queue is not None
    assert queue.dialect == "volcano"
    world.drop_queue(Identity("volcano", "", "default"))
    snapshot, _ = world.cache.snapshot(world.build()[0].now)
    queue = snapshot.queues[int(snapshot.facts.gangs.queue[row])]
    assert queue is not None
    assert queue.dialect == "aiokai"


@pytest.mark.parametrize("key", ["scheduling.volcano.sh/queue-name", "aiokai.io/queue"])
def test_a_namespace_may_name_the_queue_in_either_systems_words(key: str) -> None:
    world = mirror(IN_PLACE)
    world.put(group(), make_queue("lab"))
    world.put(Namespace(ObjectMeta(name=NAMESPACE, annotations={key: "lab"})))
    snapshot, ledger = world.cache.snapshot(world.build()[0].now)
    assert canonical(snapshot, ledger) == canonical(*world.build())
    assert [facts.queue for facts in snapshot.gangs if facts is not None] == ["lab"]
