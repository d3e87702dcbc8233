"""ResourceQuotas: how many pods a namespace may hold, and what they may ask for."""

import asyncio
from typing import Any

import pytest

from tests.contract.server import WAIT_S, Server, pod


async def limit(server: Server, **hard: str) -> None:
    """A quota that the server has seen; `_` in a name stands for what Python does not take."""
    body = {"metadata": {"name": "q"}, "spec": {"hard": hard}}
    (await server.post("resourcequotas", body)).ok(201)
    await counted(server, hard=hard)


async def counted(server: Server, **wanted: Any) -> dict[str, Any]:
    """The status of the quota, once it says what is wanted."""
    status: dict[str, Any] = {}
    try:
        async with asyncio.timeout(2 * WAIT_S):
            while not wanted.items() <= status.items():
                await asyncio.sleep(0.02)
                status = (await server.get("resourcequotas/q")).ok().get("status", {})
    except TimeoutError:
        pytest.fail(f"the status of the quota stays {status}")
    return status


def asking(name: str, limits: dict[str, str] | None = None, **requests: str) -> dict[str, Any]:
    resources = {"requests": requests, "limits": limits or {}}
    return pod(name, containers=[{"name": "main", "image": "busybox", "resources": resources}])


async def test_pods_beyond_the_quota_are_forbidden(server: Server) -> None:
    await limit(server, pods="2")
    for name in ("a", "b"):
        await server.create_pod(name)
    refusal = (await server.post("pods", pod("c"))).refused(403, "Forbidden")
    assert refusal["message"] == (
        'pods "c" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'
    )
    assert refusal["details"] == {"name": "c", "kind": "pods"}
    (await server.post("pods", pod("c"), dryRun="All")).refused(403, "Forbidden")
    assert (await counted(server, used={"pods": "2"}))["hard"] == {"pods": "2"}


async def test_what_pods_ask_for_is_counted(server: Server) -> None:
    await limit(server, **{"requests.cpu": "250m", "limits.memory": "1Gi"})
    for name in ("a", "b"):
        (await server.post("pods", asking(name, {"memory": "256Mi"}, cpu="100m"))).ok(201)
    refusal = (await server.post("pods", asking("c", {"memory": "256Mi"}, cpu="100m"))).refused(403, "Forbidden")
    told = "exceeded quota: q, requested: requests.cpu=100m, used: requests.cpu=200m, limited: requests.cpu=250m"
    assert refusal["message"] == f'pods "c" is forbidden: {told}'
    refusal = (await server.post("pods", asking("c", {"memory": "1Gi"}, cpu="100m"))).refused(403, "Forbidden")
    assert (
        "used: limits.memory=512Mi,requests.cpu=200m, limited: limits.memory=1Gi,requests.cpu=250m"
        in refusal["message"]
    )
    await counted(server, used={"requests.cpu": "200m", "limits.memory": "512Mi"})


async def test_devices_are_counted(server: Server) -> None:
    await limit(server, **{"requests.nvidia.com/gpu": "4"})
    (await server.post("pods", asking("a", {"nvidia.com/gpu": "3"}))).ok(201)
    refusal = (await server.post("pods", asking("b", {"nvidia.com/gpu": "2"}))).refused(403, "Forbidden")
    assert "requested: requests.nvidia.com/gpu=2, used: requests.nvidia.com/gpu=3" in refusal["message"]
    (await server.post("pods", asking("b", {"nvidia.com/gpu": "1"}))).ok(201)
    # Who asks for none is not counted.
    await server.create_pod("c")


async def test_who_does_not_say_how_much_is_forbidden(server: Server) -> None:
    await limit(server, **{"requests.cpu": "1", "memory": "1Gi"})
    refusal = (await server.post("pods", asking("a"))).refused(403, "Forbidden")
    assert refusal["message"] == (
        'pods "a" is forbidden: failed quota: q: must specify memory for: main; requests.cpu for: main'
    )


async def test_room_comes_back_when_pods_go_or_end(server: Server) -> None:
    await limit(server, pods="2")
    for name in ("a", "b"):
        await server.create_pod(name)
    await counted(server, used={"pods": "2"})
    (await server.delete("pods/a")).ok()
    await counted(server, used={"pods": "1"})
    (await server.bind("b")).ok(201)
    (await server.patch("pods/b/status", {"status": {"phase": "Succeeded"}})).ok()
    await counted(server, used={"pods": "0"})
    await server.create_pod("c")


async def test_pods_from_before_the_quota_count(server: Server) -> None:
    await server.create_pod("a")
    await limit(server, pods="1")
    await counted(server, used={"pods": "1"})
    (await server.post("pods", pod("b"))).refused(403, "Forbidden")
    (await server.patch("resourcequotas/q", {"spec": {"hard": {"pods": "2"}}})).ok()
    await counted(server, hard={"pods": "2"})
    await server.create_pod("b")
    (await server.delete("resourcequotas/q")).ok()
    async with asyncio.timeout(WAIT_S):
        while (await server.post("pods", pod("c"))).status != 201:  # noqa: ASYNC110 - happens in another process
            await asyncio.sleep(0.05)
