"""A Kubernetes API in one process: for trying aiokai, and for its tests; never for production.

What goes in is HTTP as Kubernetes clients speak it, on loopback and without authentication; what comes out is what
kube-apiserver would answer. Nothing is written to disk, so a stopped cluster is gone. Where it differs from the real
server, the real one is right, and the contract tests say so.
"""

import asyncio
import contextlib

import yaml
from aiohttp import web

from aiokai.localcluster.applies import Applies
from aiokai.localcluster.budgets import Budgets
from aiokai.localcluster.crds import custom_resources
from aiokai.localcluster.evictions import Evictions
from aiokai.localcluster.garbage import Garbage
from aiokai.localcluster.kinds import builtin_resources, first_objects
from aiokai.localcluster.objects import decode
from aiokai.localcluster.quotas import Quotas
from aiokai.localcluster.resources import Catalog
from aiokai.localcluster.server import ApiServer
from aiokai.localcluster.store import Collection, Event, Store
from aiokai.localcluster.writes import Writes

_SHUTDOWN_TIMEOUT_S = 1
_DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"


class LocalCluster:
    """One cluster, in the event loop that starts it."""

    def __init__(self) -> None:
        self._store = Store()
        self._catalog = Catalog()
        self._writes = Writes(self._store, self._catalog)
        evictions = Evictions(self._store, self._catalog, self._writes)
        applies = Applies(self._store, self._writes)
        self._server = ApiServer(self._store, self._catalog, self._writes, evictions, applies)
        self._runner: web.AppRunner | None = None
        self._controllers: list[asyncio.Task[None]] = []
        self._url = ""
        for resource in builtin_resources(self._store):
            self._catalog.add(resource)
        self._store.observers.append(self._observe)

    @property
    def url(self) -> str:
        """Where the API is, once the cluster has started."""
        return self._url

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Serve; port 0 takes a free one."""
        runs = [make(self._store, self._catalog, self._writes).run for make in (Garbage, Budgets, Quotas)]
        for group, version, plural, obj in first_objects():
            self._writes.create(self._catalog.find(group, version, plural), "", obj)
        self._runner = web.AppRunner(
            self._server.application(), access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT_S, handler_cancellation=True
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self._controllers = [asyncio.create_task(run()) for run in runs]
        self._url = f"http://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """End all watches and close the port."""
        self._server.close_watches()
        if self._runner is not None:
            await self._runner.cleanup()
        for controller in self._controllers:
            controller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await controller

    def kubeconfig(self) -> str:
        """A kubeconfig file for this cluster, as text."""
        named = {"cluster": "aiokai", "user": "aiokai", "namespace": "default"}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "aiokai", "cluster": {"server": self.url}}],
                "users": [{"name": "aiokai", "user": {}}],
                "contexts": [{"name": "aiokai", "context": named}],
                "current-context": "aiokai",
            },
            sort_keys=False,
        )

    def _observe(self, collection: Collection, event: Event) -> None:
        """Serve what definitions bring, from the moment they are stored."""
        if collection.name != _DEFINITIONS:
            return
        if event.previous is not None:
            for resource in custom_resources(decode(event.previous.body)):
                self._catalog.remove(resource)
        if event.type != "DELETED":
            for resource in custom_resources(decode(event.stored.body)):
                self._catalog.add(resource)
