"""The operator: everything connected, started in order and stopped in order.

Start: watch, wait until everything was listed once, compile or load the kernels, then decide. Stop: decide no more,
let what is in flight be answered, go. Nothing is kept outside the API server, so that a crash is a stop that was quick.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from aiokai.client.api import ApiClient
from aiokai.client.backoff import Backoff
from aiokai.controllers.job import WITHOUT_EFFECT
from aiokai.controllers.queue import default_queue
from aiokai.dialects import DIALECTS, owns_unnamed
from aiokai.dialects.dialect import Dialect, DialectKind
from aiokai.errors import ApiError, ConfigError, ConflictError, InvalidObjectError
from aiokai.model.base import Custom, Envelope
from aiokai.model.configuration import Configuration
from aiokai.model.kube import ObjectMeta, Pod
from aiokai.model.pod_group import PodGroup
from aiokai.model.queue import DEFAULT_QUEUE, Queue
from aiokai.operator.binder import Binder
from aiokai.operator.config_file import ConfigFile
from aiokai.operator.cycle import CycleLoop
from aiokai.operator.dispatch import Dispatcher
from aiokai.operator.events import EventRecorder, Regarding
from aiokai.operator.invalid import InvalidObjects
from aiokai.operator.metrics import Metrics
from aiokai.operator.observed import Cluster
from aiokai.operator.reconcilers import Reconcilers
from aiokai.operator.status import StatusWriter
from aiokai.operator.writes import LowPriorityWrites
from aiokai.scheduler import warm_up
from aiokai.snapshot.cache import Cache

log = logging.getLogger(__name__)

STOP_LIMIT_S: Final = 5.0
FIRST_QUEUES_LIMIT_S: Final = 2.0
"""How long the first cycle waits for queue `default`; without its CRD it cannot come."""
PULSE_S: Final = 1.0
PULSE_LIMIT_S: Final = 30.0
RETRY_S: Final = 5.0
RETRY_LIMIT_S: Final = 60.0
GC_THRESHOLDS: Final = (50_000, 20, 50)

Progress = Callable[[str, int, int], None]


class Operator:
    """One aiokai, from the first list to the last write."""

    def __init__(
        self, client: ApiClient, kubeconfig: Path | None, config_file: ConfigFile, progress: Progress | None = None
    ) -> None:
        """Connect the parts; `run()` starts them.

        Args:
            client: closed by whoever made it.
            kubeconfig: for kopf, which has a session of its own.
            config_file: the configuration, also as it changes.
            progress: told which kernel is being compiled, and how many are done of how many; at the end 1 of 1.
        """
        self.metrics = Metrics(lambda: config_file.current.web)
        self._client = client
        self._config_file = config_file
        self._progress = progress
        self._session_thread = ThreadPoolExecutor(1, thread_name_prefix="session")
        self._dialects = _dialects_of(config_file.current)
        self._owned = _owned_of(config_file.current)
        self._cluster = Cluster(client, self._dialects, Cache(config_file.current), self)
        self._binder = Binder(client, self._forget)
        self._writes = LowPriorityWrites(lambda: self._binder.in_flight > 0)
        self._events = EventRecorder(client, self._writes)
        self._invalid = InvalidObjects(client, self._writes, self._events, self.metrics)
        self._status = StatusWriter(
            client,
            self._writes,
            self._cluster,
            self._binder.is_sending,
            lambda it: self._cluster.cache.apply_pod_group(it),
        )
        self._dispatcher = Dispatcher(
            self._binder, self._status, self._events, self._cluster, self.metrics, self._owns_unnamed
        )
        self._cycles = CycleLoop(
            self._cluster, self._dispatcher, self.metrics, self._session_thread, lambda: config_file.current
        )
        self._reconcilers = Reconcilers(
            client, self._cluster, self._events, self._owned, lambda: config_file.current, kubeconfig
        )
        self._starting: str | None = "not started"
        self._parts: asyncio.TaskGroup | None = None
        self._pulse_s = time.monotonic()
        self.metrics.measurements.watch((*self._cluster.reflectors, *self._reconcilers.reflectors))
        self.metrics.pods_in_flight.set_function(lambda: self._binder.in_flight)
        self.metrics.bindings_limit.set_function(lambda: self._binder.limit.current)

    @property
    def configuration(self) -> Configuration:
        return self._config_file.current

    def alive(self) -> str | None:
        """What is stuck for good, if anything is."""
        if time.monotonic() - self._pulse_s > PULSE_LIMIT_S:
            return "the main loop does not turn"
        return self._cycles.trouble or self._reconcilers.trouble

    def ready(self) -> str | None:
        """What keeps it from deciding, if anything does."""
        return self._starting or self.alive()

    async def run(self) -> None:
        """Watch, decide and bind until cancelled; then let what is in flight be answered.

        Raises:
            ExceptionGroup: of the first part that failed for good.
        """
        self._log_configuration_warnings()
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self._beat())
                self._starting = "objects are being listed"
                for reflector in (*self._cluster.reflectors, *self._reconcilers.reflectors):
                    parts.create_task(reflector.run(), name=f"watch {reflector.resource}")
                warming = parts.create_task(self._warm_up())
                await self._synced()
                # Before the first cycle, which would otherwise tell everybody that their queue does not exist.
                unnamed = [dialect for dialect in self._owned if self._owns_unnamed(dialect.name)]
                first_queues = [parts.create_task(self._ensure_default_queue(dialect)) for dialect in unnamed]
                self._parts = parts
                self._starting = "kernels are being compiled"
                await warming
                self._spare_the_collector()
                if first_queues:
                    await asyncio.wait(first_queues, timeout=FIRST_QUEUES_LIMIT_S)
                parts.create_task(self._config_file.follow(self._configuration_changed, self._configuration_refused))
                parts.create_task(self._cycles.run())
                self._reconcilers.start()
                self._starting = None
                log.info("ready: %d pods on watch", len(self._cluster.pods))
        finally:
            self._starting, self._parts = "stopping", None
            await self._stop()

    async def _synced(self) -> None:
        """Wait until every kind was listed once, or is known to be absent."""
        for reflector in (*self._cluster.reflectors, *self._reconcilers.reflectors):
            await reflector.synced.wait()

    async def _stop(self) -> None:
        await self._reconcilers.stop()
        await self._binder.stop(STOP_LIMIT_S)
        await self._writes.stop(STOP_LIMIT_S)
        self._session_thread.shutdown(wait=False, cancel_futures=True)

    async def _beat(self) -> None:
        while True:
            self._pulse_s = time.monotonic()
            await asyncio.sleep(PULSE_S)

    async def _warm_up(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._session_thread, warm_up, self._progress)
        if self._progress is not None:
            self._progress("", 1, 1)

    @staticmethod
    def _spare_the_collector() -> None:
        """What was listed stays for long: the garbage collector need not look at it again and again."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

    async def _ensure_default_queue(self, dialect: Dialect) -> None:
        """Create queue `default` of a dialect, once its CRD is there."""
        wanted, again = default_queue(dialect), Backoff(RETRY_S, RETRY_LIMIT_S)
        while True:
            try:
                made = await self._client.create(wanted.resource, dict(wanted.body), into=Envelope)
            except ConflictError:
                return
            except ApiError as error:
                log.debug("%s cannot be created yet: %s", wanted.key, error)
            else:
                await self._cluster.queues(dialect.name).seen(made.metadata.resource_version)
                return
            await asyncio.sleep(again.next_s())

    def _configuration_changed(self) -> None:
        configuration = self._config_file.current
        if (_dialects_of(configuration), _owned_of(configuration)) != (self._dialects, self._owned):
            log.warning("the dialects have changed: they are taken up at the next start")
        cache = Cache(configuration)
        self._cluster.rebuild(cache)
        for bind in self._binder.binds:
            cache.assume(bind)
        self.metrics.config_valid.set(1)
        log.info("the configuration has changed and is in use")
        self._log_configuration_warnings()
        self._cycles.wake()

    def _log_configuration_warnings(self) -> None:
        for warning in self._config_file.warnings:
            log.warning("configuration: %s", warning)

    def _configuration_refused(self, error: ConfigError) -> None:
        self.metrics.config_valid.set(0)
        log.error("the configuration is not usable, the old one stays: %s", error)
        about = Regarding("v1", "Namespace", "", "default", "")
        self._events.record(about, "Warning", "ConfigurationRefused", str(error))

    def _forget(self, uid: str) -> None:
        self._cluster.cache.forget(uid)
        self._cycles.wake()

    # What the watches show, after the Cache knows it.

    def changed(self) -> None:
        self._cycles.wake()

    def pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is not None:
            self._binder.saw(new)
        elif old is not None:
            self._binder.lost(old.metadata.uid)
            self._status.forget(old.metadata.uid)
        self._reconcilers.pod_changed(old, new)

    def pod_group_changed(self, old: PodGroup | None, new: PodGroup | None) -> None:
        if new is None and old is not None:
            self._status.forget(old.metadata.uid)
        self._reconcilers.pod_group_changed(old, new)
        if new is not None:
            self._name_fields_without_effect(DIALECTS[new.dialect].pod_group, old, new)

    def kind_appeared(self) -> None:
        self._reconcilers.kind_appeared()

    def queue_changed(self, old: Queue | None, new: Queue | None) -> None:
        if new is None and old is not None:
            self._status.forget(old.metadata.uid)
            if old.metadata.name == DEFAULT_QUEUE and self._parts and self._owns_unnamed(old.dialect):
                self._parts.create_task(self._ensure_default_queue(DIALECTS[old.dialect]))
        if new is not None:
            self._name_fields_without_effect(DIALECTS[new.dialect].queue, old, new)

    def undecodable(self, kind: DialectKind[Any, Any], metadata: ObjectMeta, error: InvalidObjectError) -> None:
        dialect = next(it for it in self._dialects if kind in (it.pod_group, it.queue))
        if self._owns_unnamed(dialect.name):
            self._invalid.tell(kind, metadata, error)

    def _owns_unnamed(self, dialect: str) -> bool:
        return owns_unnamed(self.configuration, dialect)

    def _name_fields_without_effect(
        self, kind: DialectKind[Any, Any], old: Custom[Any, Any] | None, new: Custom[Any, Any]
    ) -> None:  # fmt: skip
        told = old.without_effect if old is not None else ()
        if not new.without_effect or new.without_effect == told or not self._owns_unnamed(new.dialect):
            return
        resource, meta = kind.resource, new.metadata
        about = Regarding(resource.api_version, resource.kind, meta.namespace, meta.name, meta.uid)
        fields = ", ".join(new.without_effect)
        self._events.record(about, "Warning", WITHOUT_EFFECT, f"these fields have no effect yet: {fields}")


def _dialects_of(configuration: Configuration) -> tuple[Dialect, ...]:
    return tuple(DIALECTS[choice.name] for choice in configuration.dialects if choice.name in DIALECTS)


def _owned_of(configuration: Configuration) -> tuple[Dialect, ...]:
    return tuple(dialect for dialect in _dialects_of(configuration) if dialect.name in configuration.owned_dialects)
