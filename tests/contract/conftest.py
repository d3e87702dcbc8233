"""The contract tests: what every part of aiokai takes for granted about a Kubernetes API server.

Each test runs against localcluster and against a real kube-apiserver. Where they differ, the real one is right.
The tests speak plain HTTP, so that a fault of ours in the client cannot hide one in the server.
Both servers live for the whole session; each test has a namespace of its own, and cleans up what stands outside of it.
"""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.contract.server import DEFINITIONS, WIDGET_GROUP, Server, connect, widget_definition


@pytest.fixture(scope="session")
def localcluster_kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A localcluster in a thread of its own, as it would be in another process."""
    from aiokai.localcluster import LocalCluster

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    cluster = LocalCluster()
    try:
        asyncio.run_coroutine_threadsafe(cluster.start(port=0), loop).result(30)
        path = tmp_path_factory.mktemp("localcluster") / "kubeconfig"
        path.write_text(cluster.kubeconfig())
        yield path
        asyncio.run_coroutine_threadsafe(cluster.stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(params=["localcluster", pytest.param("real", marks=pytest.mark.realserver)])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Each of the two servers in turn, with a namespace for the test."""
    if request.param == "real":
        kubeconfig = request.getfixturevalue("control_plane").kubeconfig
    else:
        kubeconfig = request.getfixturevalue("localcluster_kubeconfig")
    async with connect(kubeconfig) as session:
        namespace = f"t-{uuid.uuid4().hex[:8]}"
        server = Server(request.param, kubeconfig, namespace, session)
        (await server.post("/api/v1/namespaces", {"metadata": {"name": namespace}})).ok(201)
        yield server
        # The namespace stays: collecting it would cost the server more than the test did.
        await server.delete("pods", gracePeriodSeconds=0)


@pytest.fixture
async def widgets(request: pytest.FixtureRequest, server: Server) -> str:
    """The path of the test's Widgets. All tests share one definition: the real server takes 2 s to serve a kind."""
    answer = await server.post(DEFINITIONS, widget_definition(WIDGET_GROUP))
    assert answer.status in (201, 409), answer.body
    path = f"/apis/{WIDGET_GROUP}/v1/namespaces/{server.namespace}/widgets"
    await server.served(path)
    if answer.status == 201 and server.name == "real":
        request.getfixturevalue("control_plane").restart_controllers()
    return path
