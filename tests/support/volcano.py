"""A world with Volcano's kinds: what a test sees of them, and does to them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from aiokai.client.api import ApiClient
from aiokai.client.connection import connect
from aiokai.dialects import VOLCANO
from aiokai.errors import ConflictError, NotFoundError
from aiokai.localcluster.kubelet import NodeTemplate
from aiokai.model.resource import CUSTOM_RESOURCES, PODS, Resource
from tests.support.world import WAIT_S, WATCHED, World, world

VC_JOBS: Final = VOLCANO.job.resource
VC_POD_GROUPS: Final = VOLCANO.pod_group.resource
VC_QUEUES: Final = VOLCANO.queue.resource
VC_KINDS: Final = (VC_JOBS, VC_POD_GROUPS, VC_QUEUES)
CRDS: Final = Path(__file__).parent / "volcano_crds.yaml"


async def install_volcano_crds(client: ApiClient) -> None:
    for definition in yaml.safe_load_all(CRDS.read_text(encoding="utf-8")):
        with contextlib.suppress(ConflictError):
            await client.create(CUSTOM_RESOURCES, definition, into=bytes)
    async with asyncio.timeout(WAIT_S):
        for resource in VC_KINDS:
            while not await is_served(client, resource):  # noqa: ASYNC110 - discovery has no watch
                await asyncio.sleep(0.05)


async def is_served(client: ApiClient, resource: Resource) -> bool:
    try:
        async for _ in client.list_pages(resource, into=dict):
            pass
    except NotFoundError:
        return False
    return True


class VolcanoWorld(World):
    """A World that watches Volcano's kinds too."""

    kinds = (*WATCHED, *VC_KINDS)

    def vc_pods(self, job: str) -> list[dict[str, Any]]:
        return [pod for pod in self.all(PODS) if pod["metadata"].get("labels", {}).get("volcano.sh/job-name") == job]

    def vc_running(self, job: str) -> list[dict[str, Any]]:
        return [pod for pod in self.vc_pods(job) if pod["status"].get("phase") == "Running"]

    def vc_state(self, job: str) -> dict[str, Any]:
        return dict(self.get(VC_JOBS, job).get("status", {}).get("state", {}))

    async def vc_queue(self, name: str, **spec: Any) -> str:
        """Create a queue of this test's own; its name."""
        name = f"{name}-{self.namespace}"
        resource = VOLCANO.queue.resource
        body = {"apiVersion": resource.api_version, "kind": "Queue", "metadata": {"name": name}, "spec": spec}
        await self.create(VC_QUEUES, body)
        return name

    def story(self) -> str:
        told = [f"{it['kind']} {it['metadata']['name']}: {it.get('status')}" for of in VC_KINDS for it in self.all(of)]
        return "\n".join([super().story(), *told])

    async def _clear(self, templates: Sequence[NodeTemplate]) -> None:
        for resource in (VC_JOBS, VC_POD_GROUPS):
            for found in self.all(resource):
                await self._gone(resource, found["metadata"]["name"])
        for queue in self.all(VC_QUEUES):
            if queue["metadata"]["name"].endswith(self.namespace):
                await self._gone(VC_QUEUES, queue["metadata"]["name"])
        await super()._clear(templates)


@asynccontextmanager
async def volcano_world(kubeconfig: Path, namespace: str) -> AsyncIterator[VolcanoWorld]:
    """A world in a namespace of its own, with the CRDs of both systems and a watch on everything."""
    async with await connect(kubeconfig) as client:
        await install_volcano_crds(client)
    async with world(kubeconfig, namespace, of=VolcanoWorld) as made:
        yield made
