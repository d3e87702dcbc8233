"""Pods that the device plugin could confuse go to one node one after another."""

import asyncio

import pytest

from aiokai.devices.vgpu import ALLOCATED, BIND_PHASE
from aiokai.model.kube import ObjectMeta, Pod, PodSpec, PodStatus
from aiokai.operator import device_turns
from aiokai.operator.device_turns import DeviceTurns
from aiokai.session.decisions import Bind

ONE_OF_A = "GPU-a,NVIDIA,4096,25:;"
ONE_OF_B = "GPU-b,NVIDIA,4096,25:;"
TWO = "GPU-a,NVIDIA,4096,25:GPU-b,NVIDIA,4096,25:;"


def bind(name: str, text: str, node: str = "n0") -> Bind:
    return Bind(name, "default", name, node, {ALLOCATED: text, BIND_PHASE: "allocating"} if text else {})


def pod(name: str, text: str, phase: str, node: str = "n0") -> Pod:
    meta = ObjectMeta(name=name, uid=name, annotations={ALLOCATED: text, BIND_PHASE: phase})
    return Pod(meta, PodSpec(node_name=node), PodStatus("Pending"))


async def asking(turns: DeviceTurns, wanted: Bind) -> asyncio.Task[None]:
    task = asyncio.create_task(turns.take(wanted))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_the_same_text_and_other_counts_and_other_nodes_go_at_once() -> None:
    turns = DeviceTurns()
    for wanted in (bind("p", ONE_OF_A), bind("same", ONE_OF_A), bind("two", TWO), bind("far", ONE_OF_B, "n1")):
        assert (await asking(turns, wanted)).done()
    assert (await asking(turns, bind("no-gpu", ""))).done()


@pytest.mark.parametrize("word", ["success", "failed"])
async def test_another_card_for_as_many_devices_waits_until_the_plugin_has_spoken(word: str) -> None:
    turns = DeviceTurns()
    await turns.take(bind("p", ONE_OF_A))
    second = await asking(turns, bind("q", ONE_OF_B))
    turns.saw(pod("p", ONE_OF_A, "allocating"))
    await asyncio.sleep(0)
    assert not second.done()
    turns.saw(pod("p", ONE_OF_A, word))
    async with asyncio.timeout(1):
        await second


async def test_a_pod_that_is_gone_gives_its_turn_to_the_next() -> None:
    turns = DeviceTurns()
    await turns.take(bind("p", ONE_OF_A))
    second = await asking(turns, bind("q", ONE_OF_B))
    turns.give_back("p")
    async with asyncio.timeout(1):
        await second


async def test_nobody_overtakes_one_who_waits() -> None:
    turns = DeviceTurns()
    await turns.take(bind("p", ONE_OF_A))
    second = await asking(turns, bind("q", ONE_OF_B))
    third = await asking(turns, bind("r", ONE_OF_A))
    turns.give_back("p")
    async with asyncio.timeout(1):
        await second
    assert not third.done()
    turns.give_back("q")
    async with asyncio.timeout(1):
        await third


async def test_a_plugin_that_says_nothing_holds_up_a_node_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_turns, "TURN_LIMIT_S", 0.01)
    turns = DeviceTurns()
    await turns.take(bind("p", ONE_OF_A))
    async with asyncio.timeout(5):
        await turns.take(bind("q", ONE_OF_B))


async def test_turns_are_read_back_from_the_pods_after_a_restart() -> None:
    turns = DeviceTurns()
    turns.saw(pod("p", ONE_OF_A, "allocating"))
    second = await asking(turns, bind("q", ONE_OF_B))
    assert not second.done()
    turns.saw(pod("p", ONE_OF_A, "success"))
    async with asyncio.timeout(1):
        await second
