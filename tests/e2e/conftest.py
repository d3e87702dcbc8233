"""The same tests on localcluster and on a real kube-apiserver: our kubelets serve the nodes of both."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiokai.localcluster import LocalCluster
from tests.support.world import World, world


@pytest.fixture
async def localcluster_kubeconfig(tmp_path: Path) -> AsyncIterator[Path]:
    cluster = LocalCluster()
    await cluster.start(port=0)
    path = tmp_path / "kubeconfig"
    path.write_text(cluster.kubeconfig())
    yield path
    await cluster.stop()


@pytest.fixture(params=["localcluster", pytest.param("real", marks=pytest.mark.realserver)])
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    if request.param == "real":
        return Path(request.getfixturevalue("control_plane").kubeconfig)
    return Path(request.getfixturevalue("localcluster_kubeconfig"))


@pytest.fixture
async def cluster(kubeconfig: Path) -> AsyncIterator[World]:
    async with world(kubeconfig, f"t-{uuid.uuid4().hex[:8]}") as made:
        yield made
