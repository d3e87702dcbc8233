"""Texts of the device plugin's protocol, and what pods ask for, whatever somebody wrote there."""

import pytest

from aiokai.devices.vgpu import ALLOCATED, MOST_CARDS, Ask, asks_of, parse_grants, parse_registration
from aiokai.errors import InvalidObjectError
from aiokai.model.configuration import VgpuNames
from aiokai.model.kube import Container, ObjectMeta, Pod, PodSpec, ResourceRequirements

NAMES = VgpuNames()


def pod(limits: dict[str, str | int | float]) -> Pod:
    return Pod(ObjectMeta(name="p"), PodSpec(containers=(Container(resources=ResourceRequirements(limits=limits)),)))


@pytest.mark.parametrize("number", ["²", "9" * 30, "-1", ""])
def test_a_number_that_nobody_can_count_with_makes_the_text_unreadable(number: str) -> None:
    with pytest.raises(InvalidObjectError):
        parse_registration(f"GPU-a,10,{number},A100,true,hami-core:")
    with pytest.raises(InvalidObjectError):
        parse_grants({ALLOCATED: f"GPU-a,NVIDIA,{number},25:;"})


@pytest.mark.parametrize(
    "limits",
    [
        {NAMES.number: str(MOST_CARDS + 1)},
        {NAMES.number: "1000000000"},
        {NAMES.number: "1", NAMES.memory: "9" * 20},
        {NAMES.number: "1", NAMES.memory: "1e999999999"},
    ],
)
def test_more_than_any_node_has_is_refused(limits: dict[str, str | int | float]) -> None:
    with pytest.raises(InvalidObjectError):
        asks_of(pod(limits), NAMES)


def test_the_configured_names_count_whatever_they_are() -> None:
    names = VgpuNames(number="example.com/cards", memory="example.com/mib", cores="example.com/percent")
    wanted: dict[str, str | int | float] = {"example.com/cards": "2", "example.com/mib": "4096"}
    assert asks_of(pod(wanted), names) == (Ask(0, 4096, 0), Ask(0, 4096, 0))
