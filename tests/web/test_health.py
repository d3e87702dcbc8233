"""What monitors ask."""

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from aiokai.web.app import WebServer, health_app


async def ask(path: str, alive: str | None = None, ready: str | None = None) -> tuple[int, str]:
    registry = CollectorRegistry()
    Counter("aiokai_pods_bound", "Pods confirmed bound.", registry=registry).inc(3)
    server = WebServer(health_app(alive=lambda: alive, ready=lambda: ready, registry=registry))
    port = await server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, await answer.text()
    finally:
        await server.stop()


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_all_is_well(path: str) -> None:
    assert await ask(path) == (200, "ok\n")


async def test_one_who_is_not_ready_is_alive_and_says_what_is_missing() -> None:
    assert (await ask("/livez", ready="kernels are being compiled"))[0] == 200
    assert await ask("/readyz", ready="kernels are being compiled") == (503, "kernels are being compiled\n")


async def test_one_who_is_stuck_says_where() -> None:
    assert await ask("/livez", alive="cycle 418 has not ended") == (503, "cycle 418 has not ended\n")


async def test_metrics_are_the_registrys_and_nobody_elses() -> None:
    status, text = await ask("/metrics")
    assert status == 200
    assert "aiokai_pods_bound_total 3.0" in text
    assert "python_info" not in text


async def test_there_is_nothing_else() -> None:
    assert (await ask("/"))[0] == 404
