"""Keys wait, one worker works on each, and what fails is tried again."""

import asyncio

import pytest

from aiokai.errors import UnavailableError
from aiokai.operator import workqueue
from aiokai.operator.workqueue import WorkQueue


async def test_a_key_added_often_while_its_worker_runs_is_worked_on_once_more() -> None:
    worked: list[str] = []
    release = asyncio.Event()

    async def work(key: str) -> None:
        worked.append(key)
        await release.wait()

    queue = WorkQueue(work)
    queue.add("a")
    await asyncio.sleep(0)
    for _ in range(5):
        queue.add("a")
    queue.add("b")
    await asyncio.sleep(0)
    assert worked == ["a", "b"]
    release.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert worked == ["a", "b", "a"]
    await queue.stop()


async def test_a_failure_is_tried_again_and_disturbs_no_other_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workqueue, "FIRST_RETRY_S", 0.001)
    done = asyncio.Event()
    tries: list[str] = []

    async def work(key: str) -> None:
        tries.append(key)
        if key == "bad" and tries.count("bad") < 4:
            raise UnavailableError("no answer")
        if tries.count("bad") == 4:
            done.set()

    queue = WorkQueue(work)
    queue.add("bad")
    queue.add("good")
    async with asyncio.timeout(5):
        await done.wait()
    assert tries.count("good") == 1
    await queue.stop()


async def test_a_change_ends_the_wait_of_a_key_that_failed() -> None:
    tried = asyncio.Queue[str]()

    async def work(key: str) -> float:
        tried.put_nowait(key)
        return 3600.0

    queue = WorkQueue(work)
    queue.add("a")
    await tried.get()
    queue.add("a")
    async with asyncio.timeout(5):
        await tried.get()
    await queue.stop()
