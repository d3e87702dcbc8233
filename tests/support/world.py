"""A whole cluster for one test: an API server, kubelets, the operator, and a watch on everything.

A test waits for what it wants to see with `until`, which looks again whenever a watch brings something.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from aiokai.cli.playground import install_crds
from aiokai.client.api import ApiClient
from aiokai.client.connection import connect
from aiokai.client.reflector import Reflector
from aiokai.dialects import AIOKAI
from aiokai.errors import ApiError, NotFoundError
from aiokai.localcluster.kubelet import Kubelets, NodeTemplate
from aiokai.model.kube import KubeStruct, ObjectMeta
from aiokai.model.resource import NAMESPACES, NODES, PODS, Resource
from aiokai.operator.config_file import ConfigFile
from aiokai.operator.events import EVENTS
from aiokai.operator.operator import Operator

WAIT_S: Final = 30.0
JOBS: Final = AIOKAI.job.resource
POD_GROUPS: Final = AIOKAI.pod_group.resource
QUEUES: Final = AIOKAI.queue.resource
WATCHED: Final = (PODS, NODES, JOBS, POD_GROUPS, QUEUES, EVENTS)

T = TypeVar("T")


class Seen(KubeStruct, frozen=True):
    """An object as a watch brought it, whole."""

    metadata: ObjectMeta
    body: dict[str, Any]


def _decode(raw: bytes) -> Seen:
    body = msgspec.json.decode(raw)
    return Seen(msgspec.convert(body["metadata"], ObjectMeta), body)


class World:
    """What a test sees of a cluster, and does to it; objects without a namespace are in the test's own."""

    kinds: tuple[Resource, ...] = WATCHED
    """What is watched."""

    def __init__(self, client: ApiClient, kubeconfig: Path, namespace: str) -> None:
        self.client = client
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self.history: list[Callable[[], None]] = []
        """Called after each change, to check what must hold all the time."""
        self._changed = asyncio.Event()
        self._reflectors = {
            resource: Reflector(client, resource, _decode, self._on_change, namespace=self._scope(resource))
            for resource in self.kinds
        }

    async def watch(self) -> None:
        """Follow everything until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors.values():
                group.create_task(reflector.run())

    async def synced(self) -> None:
        for reflector in self._reflectors.values():
            await reflector.synced.wait()

    def _scope(self, resource: Resource) -> str:
        return self.namespace if resource.namespaced and resource != EVENTS else ""

    def _on_change(self, _old: Seen | None, _new: Seen | None) -> None:
        for check in self.history:
            check()
        self._changed.set()

    # Looking

    def all(self, resource: Resource) -> list[dict[str, Any]]:
        """Objects of a kind, by name."""
        return [seen.body for _, seen in sorted(self._reflectors[resource].store.items())]

    def get(self, resource: Resource, name: str) -> dict[str, Any]:
        """An object; empty if it is not there."""
        seen = self._reflectors[resource].store.get((self._scope(resource), name))
        return seen.body if seen else {}

    def pods(self, job: str) -> list[dict[str, Any]]:
        return [pod for pod in self.all(PODS) if pod["metadata"].get("labels", {}).get("aiokai.io/job") == job]

    def running(self, job: str) -> list[dict[str, Any]]:
        return [pod for pod in self.pods(job) if pod["status"].get("phase") == "Running"]

    def pod_phase(self, name: str) -> str:
        return str(self.get(PODS, name).get("status", {}).get("phase", ""))

    def phase(self, job: str) -> str:
        return str(self.get(JOBS, job).get("status", {}).get("state", {}).get("phase", ""))

    def condition(self, resource: Resource, name: str, kind: str) -> dict[str, Any]:
        """A condition of an object; empty if it has none of this type."""
        conditions = self.get(resource, name).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), {})

    def events(self, name: str, reason: str) -> list[dict[str, Any]]:
        """Events about objects of this world's namespace, or of none, whose name begins so."""
        mine = [event for event in self.all(EVENTS) if event["metadata"]["namespace"] in (self.namespace, "default")]
        return [
            event for event in mine if event["involvedObject"]["name"].startswith(name) and event["reason"] == reason
        ]

    async def until(self, wanted: Callable[[], T], limit_s: float = WAIT_S) -> T:
        """Wait until `wanted` returns something true; that is returned."""
        try:
            async with asyncio.timeout(limit_s):
                while not (found := wanted()):
                    self._changed.clear()
                    await self._changed.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"not seen within {limit_s:.0f} s\n{self.story()}") from None

    def story(self) -> str:
        """What a person wants to know when a test fails."""
        lines = [f"job {job['metadata']['name']}: {job.get('status')}" for job in self.all(JOBS)]
        lines += [f"group {group['metadata']['name']}: {group.get('status')}" for group in self.all(POD_GROUPS)]
        lines += [
            f"pod {pod['metadata']['name']} on {pod['spec'].get('nodeName')}: {pod['status'].get('phase')} "
            f"{[c.get('message') for c in pod['status'].get('conditions', [])]}"
            for pod in self.all(PODS)
        ]
        return "\n".join(lines)

    # Doing

    async def create(self, resource: Resource, body: dict[str, Any], *, strict: bool = False) -> dict[str, Any]:
        namespace = self.namespace if resource.namespaced else ""
        return await self.client.create(resource, body, namespace, into=dict, strict=strict)

    async def queue(self, name: str, **spec: Any) -> str:
        """Create a queue of this test's own; its name."""
        name = f"{name}-{self.namespace}"
        body = {"apiVersion": "aiokai.io/v1alpha1", "kind": "Queue", "metadata": {"name": name}, "spec": spec}
        await self.create(QUEUES, body)
        return name

    @asynccontextmanager
    async def operator(self, config: Path | None = None) -> AsyncIterator[Operator]:
        """A running operator."""
        async with await connect(self.kubeconfig) as client:
            operator = Operator(client, self.kubeconfig, ConfigFile(config))
            work = asyncio.create_task(operator.run())
            try:
                async with asyncio.timeout(2 * WAIT_S):
                    while operator.ready() and not work.done():  # noqa: ASYNC110 - it tells monitors, not us
                        await asyncio.sleep(0.02)
                yield operator
            finally:
                work.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await work

    @asynccontextmanager
    async def nodes(self, *templates: NodeTemplate) -> AsyncIterator[None]:
        """Nodes with kubelets."""
        async with await connect(self.kubeconfig) as client:
            kubelets = Kubelets(client, templates)
            work = asyncio.create_task(kubelets.run())
            try:
                async with asyncio.timeout(WAIT_S):
                    await kubelets.ready.wait()
                try:
                    yield
                finally:
                    await self._clear(templates)
            finally:
                work.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await work

    async def _clear(self, templates: Sequence[NodeTemplate]) -> None:
        """Take away what would be in the next test's way, while kubelets still stop pods."""
        for job in self.all(JOBS):
            await self._gone(JOBS, job["metadata"]["name"])
        for pod in self.all(PODS):
            await self._gone(PODS, pod["metadata"]["name"])
        for queue in self.all(QUEUES):
            if queue["metadata"]["name"].endswith(self.namespace):
                await self._gone(QUEUES, queue["metadata"]["name"])
        try:
            await self.until(lambda: not self.all(PODS))
        finally:
            for template in templates:
                await self._gone(NODES, template.name)

    async def _gone(self, resource: Resource, name: str) -> None:
        namespace = self.namespace if resource.namespaced else ""
        with contextlib.suppress(NotFoundError):
            await self.client.delete(resource, name, namespace, grace_period_s=0, propagation="Background")


WorldT = TypeVar("WorldT", bound=World)


@asynccontextmanager
async def world(
    kubeconfig: Path,
    namespace: str,
    *,
    crds: bool = True,
    of: type[WorldT] = World,  # type: ignore[assignment]
) -> AsyncIterator[WorldT]:
    """A world in a namespace of its own, with the CRDs (unless told) and a watch on everything."""
    async with await connect(kubeconfig) as client:
        if crds:
            await install_crds(client)
            await _until_served(client)
        await client.create(NAMESPACES, {"metadata": {"name": namespace}}, into=bytes)
        made = of(client, kubeconfig, namespace)
        watching = asyncio.create_task(made.watch())
        try:
            async with asyncio.timeout(WAIT_S):
                await made.synced()
            yield made
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            with contextlib.suppress(ApiError):
                await client.delete(NAMESPACES, namespace)


async def _until_served(client: ApiClient) -> None:
    """A real server takes a moment to serve a new kind."""
    async with asyncio.timeout(WAIT_S):
        for resource in (JOBS, POD_GROUPS, QUEUES):
            while True:
                try:
                    async for _ in client.list_pages(resource, into=dict):
                        pass
                    break
                except NotFoundError:
                    await asyncio.sleep(0.05)


def job(
    name: str,
    *tasks: tuple[str, int, dict[str, Any]],
    run_for: str = "",
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A Job of tasks (name, replicas, limits); its pods run for `run_for`, or for ever."""
    metadata = {"annotations": {**({"aiokai.io/run-for": run_for} if run_for else {}), **(annotations or {})}}

    def template(limits: dict[str, Any]) -> dict[str, Any]:
        container = {"name": "main", "image": "busybox", "resources": {"limits": limits}}
        return {"metadata": metadata, "spec": {"restartPolicy": "Never", "containers": [container]}}

    made = [{"name": task, "replicas": replicas, "template": template(limits)} for task, replicas, limits in tasks]
    body = {"apiVersion": "aiokai.io/v1alpha1", "kind": "Job", "metadata": {"name": name}}
    return {**body, "spec": {"tasks": made, **spec}}


def lone_pod(name: str, limits: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """A pod that belongs to no group."""
    container = {"name": "main", "image": "busybox", "resources": {"limits": limits or {"cpu": "1"}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **metadata},
        "spec": {"schedulerName": "aiokai", "restartPolicy": "Never", "containers": [container]},
    }
