"""The same tests on localcluster and on a real kube-apiserver: our kubelets serve the nodes of both."""

import fcntl
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aiokai.cli.files import cache_folder
from aiokai.localcluster import LocalCluster
from aiokai.scheduler import warm_up
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


@pytest.fixture(scope="session", autouse=True)
def warm_kernels() -> None:
    """Compile once, before anybody waits for it: other test processes then find the kernels in the cache."""
    with (cache_folder() / "warm-up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        warm_up()
