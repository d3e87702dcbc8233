"""The number of requests in flight follows how long they take."""

import asyncio

from aiokai.operator.limits import LEAST, MOST, WINDOW, AdaptiveLimit


def feed(limit: AdaptiveLimit, latency_s: float, windows: int) -> None:
    for _ in range(windows * WINDOW):
        limit.observe(latency_s)


def test_a_fast_server_gets_more_and_more_at_once_up_to_a_bound() -> None:
    limit = AdaptiveLimit()
    feed(limit, 0.01, 20)
    assert limit.current == MOST


def test_a_server_in_trouble_gets_less_but_never_too_little() -> None:
    limit = AdaptiveLimit()
    feed(limit, 0.01, 20)
    feed(limit, 0.5, 1)
    assert limit.current == MOST * 3 // 4
    feed(limit, 0.5, 20)
    assert limit.current == LEAST


def test_a_server_that_is_busy_and_well_keeps_what_it_has() -> None:
    limit = AdaptiveLimit()
    feed(limit, 0.01, 3)
    before = limit.current
    feed(limit, 0.15, 20)
    assert limit.current == before


async def test_no_more_than_the_limit_run_at_once_and_those_that_wait_come_in_order() -> None:
    limit = AdaptiveLimit()
    limit.current = 2
    release, began, most = asyncio.Event(), list[int](), 0

    async def body(number: int) -> None:
        nonlocal most
        async with limit.slot():
            began.append(number)
            most = max(most, limit.in_flight)
            await release.wait()

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(body(number))
        await asyncio.sleep(0)
        assert began == [0, 1]
        release.set()
    assert began == [0, 1, 2, 3, 4]
    assert most == 2
    assert limit.in_flight == 0


async def test_one_that_gives_up_waiting_takes_nobodys_place() -> None:
    limit = AdaptiveLimit()
    limit.current = 1
    release = asyncio.Event()

    async def body() -> None:
        async with limit.slot():
            await release.wait()

    first, second, third = (asyncio.create_task(body()) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    release.set()
    await asyncio.gather(first, third)
    assert second.cancelled()
