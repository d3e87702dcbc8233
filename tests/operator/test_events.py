"""Each fact is said once, and counted when it is said again."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiokai.errors import UnavailableError
from aiokai.operator import writes as writes_module
from aiokai.operator.events import EventRecorder, Regarding
from aiokai.operator.writes import LowPriorityWrites

GANG = Regarding("aiokai.io/v1alpha1", "Job", "default", "train", "uid")


class Server:
    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.patched: list[dict[str, Any]] = []

    async def create(self, _resource: Any, body: dict[str, Any], namespace: str, **_: Any) -> None:
        assert namespace == body["metadata"]["namespace"]
        self.created.append(body)

    async def patch(self, _resource: Any, _name: str, body: dict[str, Any], _namespace: str, **_: Any) -> None:
        self.patched.append(body)


class Bench:
    def __init__(self) -> None:
        self.server = Server()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.writes = LowPriorityWrites(lambda: False)
        self.events = EventRecorder(self.server, self.writes, lambda: self.now)  # type: ignore[arg-type]

    async def say(self, message: str = "no room", after_s: float = 0) -> None:
        self.now += timedelta(seconds=after_s)
        self.events.record(GANG, "Warning", "Unschedulable", message)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_an_event_is_about_its_object_and_can_be_described() -> None:
    bench = Bench()
    await bench.say()
    (event,) = bench.server.created
    assert event["involvedObject"] == {
        "apiVersion": "aiokai.io/v1alpha1",
        "kind": "Job",
        "namespace": "default",
        "name": "train",
        "uid": "uid",
    }
    assert (event["type"], event["reason"], event["message"], event["count"]) == (
        "Warning",
        "Unschedulable",
        "no room",
        1,
    )


async def test_the_same_again_is_counted_once_a_minute_and_new_after_ten() -> None:
    bench = Bench()
    await bench.say()
    await bench.say(after_s=1)
    assert bench.server.patched == []
    await bench.say(after_s=60)
    assert [patch["count"] for patch in bench.server.patched] == [3]
    await bench.say(after_s=601)
    assert len(bench.server.created) == 2


async def test_something_else_is_another_event() -> None:
    bench = Bench()
    await bench.say()
    await bench.say("queue is closed")
    assert [event["message"] for event in bench.server.created] == ["no room", "queue is closed"]


async def test_of_several_writes_for_one_object_the_newest_goes_out() -> None:
    written: list[str] = []
    writes = LowPriorityWrites(lambda: True)

    async def slow() -> None:
        await asyncio.sleep(0.01)

    for key in ("first", "second"):
        writes.submit(key, slow)

    def say(word: str) -> Any:
        async def write() -> None:
            written.append(word)

        return write

    writes.submit("status", say("old"))
    writes.submit("status", say("new"))
    assert written == []
    await writes.stop(5)
    assert written == ["new"]


async def test_a_write_without_an_answer_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes_module, "RETRY_S", 0.001)
    tries = 0
    done = asyncio.Event()

    async def write() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise UnavailableError("reset")
        done.set()

    writes = LowPriorityWrites(lambda: False)
    writes.submit("status", write)
    async with asyncio.timeout(5):
        await done.wait()
    await writes.stop(1)
    assert tries == 2
