"""Statuses are written when they differ from what the server has or will have, and only then."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from aiokai.errors import BadRequestError
from aiokai.model.base import Custom, Envelope, Identity
from aiokai.model.kube import Condition, ObjectMeta, Pod, PodSpec, PodStatus, SchedulingGate
from aiokai.model.pod_group import PodGroup, PodGroupSpec, PodGroupStatus
from aiokai.model.queue import Queue, QueueSpec, QueueStatus
from aiokai.model.reasons import Reason
from aiokai.operator.status import StatusWriter, replacing, waiting_condition
from aiokai.operator.writes import LowPriorityWrites
from aiokai.session.decisions import Verdict

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GANG = Identity("aiokai", "default", "g")
QUEUE = Identity("aiokai", "", "q")


class Bench:
    """A writer between a fake server and fake watches."""

    def __init__(self) -> None:
        self.patches: list[dict[str, Any]] = []
        self.refuses = False
        self.version = 10
        self.group: PodGroup = Custom(
            "aiokai", ObjectMeta("g", "default", "uid-g", "1"), PodGroupSpec(), PodGroupStatus(phase="Pending")
        )
        self.shown_queue: Queue = Custom(
            "aiokai", ObjectMeta("q", "", "uid-q", "1"), QueueSpec(), QueueStatus(state="Open", allocated={"cpu": "4"})
        )
        self.pods: dict[str, Pod] = {}
        self.assumed: list[str] = []
        self.binding: set[str] = set()
        self.writer = StatusWriter(
            self,  # type: ignore[arg-type]
            LowPriorityWrites(lambda: False),
            self,
            self.binding.__contains__,
            lambda group: self.assumed.append(group.status.phase),
        )

    async def patch(self, _where: Any, _name: str, body: dict[str, Any], *_: Any, **__: Any) -> Envelope:
        if self.refuses:
            raise BadRequestError("no", code=422)
        self.patches.append(body)
        self.version += 1
        return Envelope(ObjectMeta(resource_version=str(self.version)))

    def pod(self, _namespace: str, name: str) -> Pod | None:
        return self.pods.get(name)

    def pod_group(self, _identity: Identity) -> PodGroup | None:
        return self.group

    def queue(self, _identity: Identity) -> Queue | None:
        return self.shown_queue

    async def after(self, *steps: Callable[[], None]) -> list[dict[str, Any]]:
        """What is written once these were done, each before anything could be sent."""
        for step in steps:
            step()
        for _ in range(4):
            await asyncio.sleep(0)
        return [patch["status"] for patch in self.patches]

    def says(self, phase: str) -> Callable[[], None]:
        return lambda: self.writer.pod_group(GANG, PodGroupStatus(phase=phase))

    def shows(self, phase: str, version: int) -> None:
        meta = ObjectMeta("g", "default", "uid-g", str(version))
        self.group = replace(self.group, metadata=meta, status=PodGroupStatus(phase=phase))


async def test_a_status_that_is_there_already_is_not_written() -> None:
    assert await Bench().after(Bench().says("Pending")) == []


async def test_the_same_status_is_written_once_until_the_watch_shows_it() -> None:
    bench = Bench()
    (status,) = await bench.after(bench.says("Inqueue"))
    assert status["phase"] == "Inqueue"
    assert len(await bench.after(bench.says("Inqueue"))) == 1
    bench.shows("Inqueue", bench.version)
    assert len(await bench.after(bench.says("Inqueue"))) == 1


async def test_a_change_of_mind_is_written_even_while_the_watch_shows_the_state_before() -> None:
    bench = Bench()
    await bench.after(bench.says("Inqueue"))
    statuses = await bench.after(bench.says("Pending"))
    assert [status["phase"] for status in statuses] == ["Inqueue", "Pending"]


async def test_someone_elses_change_is_written_over() -> None:
    bench = Bench()
    await bench.after(bench.says("Inqueue"))
    bench.shows("Completed", bench.version + 1)
    statuses = await bench.after(bench.says("Inqueue"))
    assert [status["phase"] for status in statuses] == ["Inqueue", "Inqueue"]


async def test_the_next_cycle_decides_from_the_status_as_it_will_be() -> None:
    bench = Bench()
    bench.says("Inqueue")()
    assert bench.assumed == ["Inqueue"]


async def test_a_status_that_the_server_refuses_is_no_longer_assumed() -> None:
    bench = Bench()
    bench.refuses = True
    await bench.after(bench.says("Inqueue"))
    assert bench.assumed == ["Inqueue", "Pending"]


async def test_a_queues_state_is_left_to_its_controller_and_what_is_gone_is_removed() -> None:
    bench = Bench()
    numbers = QueueStatus(state="Closed", allocated={"memory": "1Gi"}, pending=2)
    (status,) = await bench.after(lambda: bench.writer.queue(QUEUE, numbers))
    assert "state" not in status
    assert status["allocated"] == {"cpu": None, "memory": "1Gi"}
    assert status["pending"] == 2


def test_a_patch_brings_the_same_about_whichever_of_two_is_there() -> None:
    new = {"a": 1, "map": {"x": "1"}}
    patch = replacing(new, {"b": 1, "map": {"y": "1"}}, {"map": {"z": "1"}, "a": 2})
    assert patch == {"a": 1, "b": None, "map": {"x": "1", "y": None, "z": None}}


def a_pod(name: str = "p", node: str = "", gate: str = "", *conditions: Condition) -> Pod:
    gates = (SchedulingGate(gate),) if gate else ()
    meta = ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", resource_version="7")
    return Pod(meta, PodSpec(node_name=node, scheduling_gates=gates), PodStatus("Pending", conditions=conditions))


async def test_waiting_pods_are_told_why_but_not_those_that_are_bound_gated_or_on_their_way() -> None:
    bench = Bench()
    for pod in (a_pod("waits"), a_pod("bound", "n0"), a_pod("gated", "", "g"), a_pod("sending")):
        bench.pods[pod.metadata.name] = pod
    bench.binding.add("uid-sending")
    names = tuple((f"uid-{name}", "default", name) for name in [*bench.pods, "gone"])
    verdict = Verdict(Reason.UNSCHEDULABLE, "no room", "0/1 nodes are available", names)
    (status,) = await bench.after(lambda: bench.writer.waiting(verdict), lambda: bench.writer.waiting(verdict))
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "Unschedulable")
    assert condition["message"] == "0/1 nodes are available"
    assert bench.patches[0]["metadata"] == {"resourceVersion": "7"}


@pytest.mark.parametrize(("status", "moved"), [("False", False), ("True", True)])
def test_the_transition_time_moves_only_with_the_status(status: str, moved: bool) -> None:
    before = datetime(2025, 1, 1, tzinfo=UTC)
    old = Condition("PodScheduled", status, "Unschedulable", "old words", before)
    condition = waiting_condition(a_pod("p", "", "", old), "new words", NOW)
    assert condition is not None
    assert condition["lastTransitionTime"] == ("2026-01-01T00:00:00Z" if moved else "2025-01-01T00:00:00Z")


def test_a_pod_that_says_so_already_is_left_alone() -> None:
    old = Condition("PodScheduled", "False", "Unschedulable", "words", NOW)
    assert waiting_condition(a_pod("p", "", "", old), "words", NOW) is None
