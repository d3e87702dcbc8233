"""kopf watches the kinds that controllers reconcile, and does nothing else.

kopf finds the CRDs (also those that appear later), keeps the watches alive and remembers what it has seen; but an event
costs it most of a millisecond, so it sees only the kinds that people write by hand, in a thread and a loop of its own.
Its one handler hands each raw object over to the main loop. It writes nothing: raw events need no finalizer and no
progress, the storages below store nothing, and Events are posted by us.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import kopf
from kubernetes_asyncio import config as kube_config
from kubernetes_asyncio.client import Configuration as ClientConfiguration

from aiokai.model.resource import Resource

STOP_LIMIT_S = 5.0
CLOSING_S = 0.1


OnObject = Callable[[Resource, str | None, Mapping[str, Any]], None]
"""Called in the main loop with the event's type (None: it was in the first list) and the whole object."""


class KopfThread:
    """kopf's operator in a thread of its own; everything it sees is handed to the loop that made this object."""

    def __init__(self, kinds: Iterable[Resource], kubeconfig: Path | None, on_object: OnObject) -> None:
        self._kinds = tuple(kinds)
        self._kubeconfig = kubeconfig
        self._on_object = on_object
        self._main_loop = asyncio.get_running_loop()
        self._began = threading.Event()
        self._operator: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        """End kopf. A kopf that does not end in time is left behind; it has nothing to lose."""
        await asyncio.to_thread(self._began.wait, STOP_LIMIT_S)
        if self._operator is not None:
            loop, work = self._operator
            # Not kopf's stop flag: with that one, a kopf that has just started waits five seconds for its requests.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(work.cancel)
        await asyncio.to_thread(self._thread.join, STOP_LIMIT_S)

    def _run(self) -> None:
        logging.getLogger("kopf").setLevel(logging.WARNING)
        # It complains that signals are not its own here; they are the main thread's.
        logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._operate())

    async def _operate(self) -> None:
        work = asyncio.ensure_future(
            kopf.operator(registry=self._registry(), settings=_settings(), standalone=True, clusterwide=True)
        )
        self._operator = asyncio.get_running_loop(), work
        self._began.set()
        try:
            await work
        finally:
            # TLS connections take a moment to close, and kopf does not wait for it.
            await asyncio.sleep(CLOSING_S)

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry, retries=3)(self._login)
        for kind in self._kinds:
            kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, param=kind, id="hand-over")(
                self._hand_over
            )
        return registry

    async def _login(self, **_: Any) -> kopf.ConnectionInfo:
        return await connection_info(self._kubeconfig)

    async def _hand_over(self, **cause: Any) -> None:
        event: kopf.RawEvent = cause["event"]
        with contextlib.suppress(RuntimeError):  # The main loop has ended before kopf did.
            self._main_loop.call_soon_threadsafe(self._on_object, cause["param"], event["type"], event["object"])


async def connection_info(kubeconfig: Path | None) -> kopf.ConnectionInfo:
    """How to reach the API server: from `kubeconfig`, else from the pod we run in, else from $KUBECONFIG."""
    configuration = ClientConfiguration()
    if kubeconfig is not None:
        await kube_config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    else:
        try:
            kube_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except kube_config.ConfigException:
            await kube_config.load_kube_config(client_configuration=configuration)
    header = await configuration.get_api_key_with_prefix("BearerToken")
    scheme, _, token = (header or "").rpartition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host or "",
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        username=configuration.username or None,
        password=configuration.password or None,
        scheme=scheme or None,
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        proxy_url=configuration.proxy,
    )


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.networking.trust_env = False
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    return settings


class _NoDiffBase(kopf.DiffBaseStorage):
    """No last-handled state: nothing is compared, so nothing is copied or written."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ARG002
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        pass


class _NoProgress(kopf.ProgressStorage):
    """No handler of ours is retried by kopf, so there is no progress to remember."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:  # noqa: ARG002
        return None

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        pass

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        pass

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        pass

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence
