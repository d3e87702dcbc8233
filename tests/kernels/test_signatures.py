"""After the warm-up no cycle compiles anything: a kernel met with a new type would hold up a cycle for a minute."""

import importlib
import pkgutil

import pytest

import aiokai.kernels
from aiokai.model.configuration import Plugin, Profile
from aiokai.scheduler import warm_up
from tests.support.building import make_group, make_node, make_pod, make_queue
from tests.support.mirror import Mirror

VGPU = "volcano.sh/vgpu-"
PROFILES = (
    Profile(),
    Profile(actions=("allocate",), plugins=()),
    Profile(plugins=(Plugin(name="fairshare"), Plugin(name="spread", weight=2), Plugin(name="devicespread"))),
)


def signatures() -> dict[str, int]:
    """How many types each kernel is compiled for."""
    found: dict[str, int] = {}
    for module in pkgutil.iter_modules(aiokai.kernels.__path__, "aiokai.kernels."):
        for name, kernel in vars(importlib.import_module(module.name)).items():
            if hasattr(kernel, "signatures"):
                found[name] = len(kernel.signatures)
    return found


def clusters() -> list[Mirror]:
    """Nothing at all; queues only; a cluster with cards, parents, limits, releasing pods and a gang that never fits."""
    empty, queues, full = Mirror(), Mirror(), Mirror()
    queues.put(make_queue("default"), make_pod("p", {"cpu": "1"}))
    full.put(
        make_queue("top", capability={"cpu": "3"}),
        make_queue("default", parent="top", deserved={"nvidia.com/gpu": 2}, guarantee={"memory": "1Gi"}),
        make_node("n0", {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "2", "example.com/nic": "1"}),
        make_node("n1", {"cpu": "4", VGPU + "number": "10", VGPU + "memory": "2000"}, cards=[(10, 1000), (5, 1000)]),
        make_group("wide", 3),
        make_group("early", 2, phase="", minResources={"cpu": "1"}),
        make_group("mixed", 2),
        make_pod("leaves", {"cpu": "4"}, node="n0", phase="Running", deleted=True),
        make_pod("other", {"cpu": "1"}, node="n1", phase="Running", scheduler="default-scheduler"),
        make_pod("share", {VGPU + "number": "2", VGPU + "memory": "500"}),
        make_pod("waits", {"cpu": "2"}),
        make_pod("nothing"),
        make_pod("mixed-0", {"cpu": "1"}, group="mixed"),
        make_pod("mixed-1", {"nvidia.com/gpu": "9"}, group="mixed"),
        *(make_pod(f"wide-{i}", {"nvidia.com/gpu": "1"}, group="wide") for i in range(3)),
        *(make_pod(f"more-{i}", {f"example.com/part-{i}": "1"}) for i in range(6)),
    )
    return [empty, queues, full]


@pytest.mark.parametrize("profile", PROFILES)
def test_scheduling_compiles_nothing_after_the_warm_up(profile: Profile) -> None:
    warm_up()
    before = signatures()
    for mirror in clusters():
        mirror.schedule(profile)
        mirror.schedule(profile)
    assert signatures() == before


def test_the_warm_up_tells_what_it_compiles() -> None:
    told: list[tuple[str, int, int]] = []
    warm_up(lambda *step: told.append(step))
    assert [place for _, place, _ in told] == list(range(told[0][2]))
