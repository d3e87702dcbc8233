from datetime import UTC, datetime

from aiokai.devices.vgpu import ALLOCATED, BIND_PHASE, TO_ALLOCATE, Grant, annotations_of, parse_registration
from aiokai.localcluster.deviceplugin import STARTED_DEVICES, SharedCards, advertised, hand_out, registration
from aiokai.model.kube import Container, ObjectMeta, Pod, PodSpec, PodStatus, ResourceRequirements

NUMBER = "volcano.sh/vgpu-number"


def pod(name: str, *counts: int, time_s: int = 100, phase: str = "Pending", cards: str = "") -> Pod:
    """A bound pod whose containers were given so many devices each."""
    grants = [Grant(i, f"{cards or name}-{i}{k}", 1024, 10) for i, count in enumerate(counts) for k in range(count)]
    annotations = annotations_of(grants, len(counts), "n", datetime.fromtimestamp(time_s, UTC))
    containers = tuple(
        Container(f"c{i}", ResourceRequirements(limits={NUMBER: str(count)} if count else {}))
        for i, count in enumerate(counts)
    )
    return Pod(
        ObjectMeta(name, "d", uid=name, annotations=annotations), PodSpec(containers=containers), PodStatus(phase)
    )


def told(starting: Pod, *on_node: Pod) -> dict[str, dict[str, str]]:
    """The annotations that each pod gets when `starting` starts."""
    merged: dict[str, dict[str, str]] = {}
    for marked, annotations in hand_out(starting, (starting, *on_node)).markings:
        merged.setdefault(marked.metadata.name, {}).update(annotations)
    return merged


def annotation(of: Pod, key: str) -> str:
    return (of.metadata.annotations or {})[key]


def test_a_pod_alone_gets_what_it_was_given() -> None:
    alone = pod("alone", 1, 0, 2)
    assert told(alone) == {
        "alone": {STARTED_DEVICES: annotation(alone, ALLOCATED), TO_ALLOCATE: ";;;", BIND_PHASE: "success"}
    }


def test_the_oldest_is_served_whoever_starts() -> None:
    younger, older = pod("younger", 1, time_s=200), pod("older", 1, time_s=100)
    assert told(younger, older) == {
        "younger": {STARTED_DEVICES: annotation(older, ALLOCATED)},
        "older": {TO_ALLOCATE: ";", BIND_PHASE: "success"},
    }


def test_pods_of_one_second_are_served_by_name() -> None:
    assert set(told(pod("b", 1), pod("a", 1))) == {"b", "a"}
    assert set(told(pod("a", 1), pod("b", 1))) == {"a"}


def test_pods_with_another_number_of_devices_are_passed_over() -> None:
    assert set(told(pod("one", 1, time_s=200), pod("two", 2, time_s=100))) == {"one"}


def test_pods_that_were_served_or_have_ended_are_passed_over() -> None:
    served, refused = pod("a", 1), pod("b", 1, phase="Failed")
    assert served.metadata.annotations is not None
    served.metadata.annotations[BIND_PHASE] = "success"
    assert set(told(pod("c", 1), served, refused)) == {"c"}


def test_containers_may_be_served_from_different_pods() -> None:
    starting, older = pod("starting", 1, 1, time_s=200), pod("older", 1, 2, time_s=100)
    assert told(starting, older) == {
        "starting": {
            STARTED_DEVICES: "older-00,NVIDIA,1024,10:;starting-00,NVIDIA,1024,10:;",
            TO_ALLOCATE: ";starting-10,NVIDIA,1024,10:;",
        },
        "older": {TO_ALLOCATE: ";older-10,NVIDIA,1024,10:older-11,NVIDIA,1024,10:;"},
    }


def test_the_oldest_is_blamed_when_nobody_can_be_served() -> None:
    starting, older = pod("starting", 1), pod("older", 3, time_s=50)
    assert starting.metadata.annotations is not None
    starting.metadata.annotations[TO_ALLOCATE] = "garbage"
    handout = hand_out(starting, (starting, older))
    assert "waits for 1 device(s)" in handout.problem
    assert [(marked.metadata.name, dict(annotations)) for marked, annotations in handout.markings] == [
        ("older", {BIND_PHASE: "failed"})
    ]


def test_a_pod_that_nobody_bound_properly_is_refused() -> None:
    bare = Pod(ObjectMeta("p", "d"), pod("p", 1).spec)
    assert hand_out(bare, (bare,)).problem
    assert hand_out(bare, (bare,)).markings == ()


def test_what_is_registered_is_what_is_advertised() -> None:
    cards = SharedCards(number=2, memory_mib=40960, slots=10)
    (text,) = registration("n", cards).values()
    registered = parse_registration(text)
    assert len({card.uuid for card in registered}) == 2
    assert advertised(cards) == {
        "volcano.sh/vgpu-number": str(sum(card.slots for card in registered)),
        "volcano.sh/vgpu-memory": str(sum(card.memory for card in registered)),
        "volcano.sh/vgpu-cores": "200",
    }
