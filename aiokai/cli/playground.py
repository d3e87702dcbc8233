"""A cluster to try aiokai on: API server, kubelets of four GPU nodes, CRDs, and the operator.

API server and kubelets live in a thread of this program. The operator is a program of its own, as in a real cluster: it
has the second core for itself, and can be killed without taking the cluster along.
"""

import asyncio
import contextlib
import socket
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import aiohttp
import yaml

from aiokai.cli.files import documents, shipped
from aiokai.client.api import ApiClient
from aiokai.client.connection import connect
from aiokai.errors import AiokaiError, ConflictError
from aiokai.localcluster import LocalCluster
from aiokai.localcluster.deviceplugin import SharedCards
from aiokai.localcluster.kubelet import Kubelets, NodeTemplate
from aiokai.model.resource import CUSTOM_RESOURCES

PORT: Final = 8001
START_LIMIT_S: Final = 180.0
STOP_LIMIT_S: Final = 15.0
LOOK_EVERY_S: Final = 0.1

T = TypeVar("T")


def gpu_nodes() -> tuple[NodeTemplate, ...]:
    """Two nodes that count whole GPUs, and two whose cards are shared."""
    whole = [NodeTemplate(f"gpu-{i}", {"nvidia.com/gpu": "8"}) for i in range(2)]
    shared = [NodeTemplate(f"vgpu-{i}", cards=SharedCards()) for i in range(2)]
    return (*whole, *shared)


class ClusterThread:
    """API server and kubelets, in a loop of their own."""

    def __init__(self) -> None:
        self.cluster = LocalCluster()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cluster", daemon=True)
        self._kubelets: asyncio.Task[None] | None = None
        self._client: ApiClient | None = None
        self._thread.start()

    async def start(self, port: int) -> None:
        """Serve on `port`, or on a free one if it is taken."""
        try:
            await self._there(self.cluster.start(port=port))
        except OSError:
            await self._there(self.cluster.start(port=0))

    async def start_kubelets(self, kubeconfig: Path, nodes: Sequence[NodeTemplate]) -> None:
        """Register the nodes and serve them."""
        await self._there(self._start_kubelets(kubeconfig, nodes))

    async def _start_kubelets(self, kubeconfig: Path, nodes: Sequence[NodeTemplate]) -> None:
        self._client = await connect(kubeconfig)
        kubelets = Kubelets(self._client, nodes)
        self._kubelets = asyncio.create_task(kubelets.run(), name="kubelets")
        await kubelets.ready.wait()

    async def stop(self) -> None:
        await self._there(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    async def _stop(self) -> None:
        if self._kubelets is not None:
            self._kubelets.cancel()
            await asyncio.gather(self._kubelets, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
        await self.cluster.stop()

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        """Run in the thread's loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


class OperatorProgram:
    """`aiokai operator` as a program of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.url = url
        self._process = process

    @classmethod
    async def start(cls, kubeconfig: Path, folder: Path, log: IO[bytes] | None) -> "OperatorProgram":
        """Start it; what it says goes to `log`, or to our own stderr."""
        port = _free_port()
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump({"web": {"host": "127.0.0.1", "port": port}}))
        words = ("-m", "aiokai", "operator", f"--kubeconfig={kubeconfig}", f"--config={config}")
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stderr=log)
        return cls(process, f"http://127.0.0.1:{port}")

    async def wait_until_ready(self) -> None:
        """Wait until it decides.

        Raises:
            AiokaiError: it ended, or was not ready in time.
        """
        async with aiohttp.ClientSession(trust_env=False) as session, asyncio.timeout(START_LIMIT_S):
            while self._process.returncode is None:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(LOOK_EVERY_S)
        raise AiokaiError(f"the operator ended with {self._process.returncode}")

    async def wait(self) -> int:
        """Wait until it ends by itself."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask it to stop; end it if it does not."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


class Playground:
    """What runs, and how to reach it."""

    def __init__(self, kubeconfig: Path, client: ApiClient, operator: OperatorProgram) -> None:
        self.kubeconfig = kubeconfig
        self.client = client
        self.operator = operator


@asynccontextmanager
async def playground(
    *, kubeconfig: Path | None = None, port: int = 0, log: IO[bytes] | None = None, say: Callable[[str], None]
) -> AsyncIterator[Playground]:
    """Start everything, and stop it again at the end.

    Args:
        kubeconfig: where to write it; none: in a folder that goes with the playground.
        port: of the API server; another one if it is taken.
        log: where the operator's log goes; none: stderr.
        say: told what is being done.
    """
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aiokai-")))
        kubeconfig = kubeconfig or folder / "kubeconfig"
        cluster = ClusterThread()
        stack.push_async_callback(cluster.stop)
        await cluster.start(port)
        kubeconfig.write_text(cluster.cluster.kubeconfig())
        say(f"Kubernetes API on {cluster.cluster.url}")
        client = await stack.enter_async_context(await connect(kubeconfig))
        await install_crds(client)
        nodes = gpu_nodes()
        await cluster.start_kubelets(kubeconfig, nodes)
        say(f"{len(nodes)} nodes with 8 A100 each")
        operator = await OperatorProgram.start(kubeconfig, folder, log)
        stack.push_async_callback(operator.stop)
        yield Playground(kubeconfig, client, operator)


async def install_crds(client: ApiClient) -> None:
    """Create our kinds; those that are there stay as they are."""
    for definition in documents(shipped("crds")):
        with contextlib.suppress(ConflictError):
            await client.create(CUSTOM_RESOURCES, definition, into=bytes)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
