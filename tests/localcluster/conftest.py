"""Kubelets on localcluster and on a real kube-apiserver, and what a test sees of their pods."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from aiokai.client import ApiClient, connect
from aiokai.client.reflector import Reflector
from aiokai.errors import NotFoundError
from aiokai.localcluster import LocalCluster
from aiokai.localcluster.kubelet import Kubelets
from aiokai.localcluster.nodes import NodeTemplate
from aiokai.localcluster.podstatus import KubeletPod
from aiokai.model.resource import NAMESPACES, NODES, PODS

WAIT_S = 20.0
T = TypeVar("T")


class World:
    """One server, a namespace of the test's own, and the pods in it as a watch shows them."""

    def __init__(self, client: ApiClient) -> None:
        self.client = client
        self.namespace = f"t-{uuid.uuid4().hex[:8]}"
        self.nodes: set[str] = set()
        self.seen: list[str] = []
        self._changed = asyncio.Event()
        decode = msgspec.json.Decoder(KubeletPod).decode
        self._pods = Reflector(client, PODS, decode, self._on_change, namespace=self.namespace)

    async def run(self) -> None:
        await self._pods.run()

    @asynccontextmanager
    async def kubelets(self, *templates: NodeTemplate) -> AsyncIterator[None]:
        """Kubelets of these nodes, for as long as the block lasts."""
        self.nodes |= {template.name for template in templates}
        kubelets = Kubelets(self.client, templates)
        async with running(kubelets.run()):
            async with asyncio.timeout(WAIT_S):
                await kubelets.ready.wait()
            yield

    def node(self, name: str) -> str:
        """A name for a node that no other test uses."""
        return f"{name}-{self.namespace}"

    async def place(
        self,
        name: str,
        node: str,
        *containers: dict[str, Any],
        restart_policy: str = "Never",
        annotations: dict[str, str] | None = None,
        bound_with: dict[str, str] | None = None,
    ) -> None:
        """Create a pod whose containers have these limits, and bind it."""
        body = {
            "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {
                "restartPolicy": restart_policy,
                "containers": [
                    {"name": f"c{i}", "image": "busybox", "resources": {"limits": limits}}
                    for i, limits in enumerate(containers or ({},))
                ],
            },
        }
        pod = await self.client.create(PODS, body, self.namespace, into=KubeletPod)
        await self.client.bind(name, self.namespace, node, uid=pod.metadata.uid, annotations=bound_with)

    async def delete(self, name: str, grace_period_s: int | None = None) -> None:
        await self.client.delete(PODS, name, self.namespace, grace_period_s=grace_period_s)

    def get(self, name: str) -> KubeletPod | None:
        return self._pods.store.get((self.namespace, name))

    async def until(self, name: str, is_so: Callable[[KubeletPod], bool]) -> KubeletPod:
        """The pod, once `is_so`."""
        return await self._wait(lambda: pod if (pod := self.get(name)) and is_so(pod) else None)

    async def phase(self, name: str, phase: str) -> KubeletPod:
        return await self.until(name, lambda pod: pod.status.phase == phase)

    async def annotated(self, name: str, key: str) -> str:
        """The annotation, once it is there."""
        return await self._wait(lambda: (pod.metadata.annotations or {}).get(key) if (pod := self.get(name)) else None)

    async def gone(self, name: str) -> None:
        await self._wait(lambda: True if self.get(name) is None else None)

    async def _wait(self, look: Callable[[], T | None]) -> T:
        try:
            async with asyncio.timeout(WAIT_S):
                while (found := look()) is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pytest.fail("waited in vain; seen: " + ", ".join(self.seen))
        return found

    def _on_change(self, old: KubeletPod | None, new: KubeletPod | None) -> None:
        if pod := new or old:
            self.seen.append(f"{pod.metadata.name} {pod.status.phase if new else 'gone'}")
        self._changed.set()


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(params=["localcluster", pytest.param("real", marks=pytest.mark.realserver)])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Each of the two servers in turn."""
    async with AsyncExitStack() as stack:
        if request.param == "real":
            kubeconfig = request.getfixturevalue("control_plane").kubeconfig
        else:
            cluster = LocalCluster()
            await cluster.start()
            stack.push_async_callback(cluster.stop)
            kubeconfig = tmp_path / "kubeconfig"
            kubeconfig.write_text(cluster.kubeconfig())
        client = await stack.enter_async_context(await connect(kubeconfig))
        world = World(client)
        await client.create(NAMESPACES, {"metadata": {"name": world.namespace}}, into=bytes)
        async with running(world.run()):
            yield world
        await _clean_up(world)


async def _clean_up(world: World) -> None:
    with suppress(NotFoundError):
        await world.client.delete(NAMESPACES, world.namespace)
    for name in await _pod_names(world):
        with suppress(NotFoundError):
            await world.client.delete(PODS, name, world.namespace, grace_period_s=0)
    for node in world.nodes:
        with suppress(NotFoundError):
            await world.client.delete(NODES, node)


async def _pod_names(world: World) -> list[str]:
    pages = world.client.list_pages(PODS, world.namespace, into=KubeletPod)
    return [pod.metadata.name async for page in pages for pod in page.items]
