"""Controllers at work: kopf and the Reflectors say which object to look at, a work queue takes one step at a time."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, assert_never

from aiokai.client.api import ApiClient
from aiokai.client.reflector import Reflector
from aiokai.dialects import Dialect, owns_unnamed
from aiokai.model.configuration import Configuration
from aiokai.model.kube import Pod
from aiokai.model.pod_group import PodGroup
from aiokai.model.resource import PODS, Resource
from aiokai.operator.events import EventRecorder
from aiokai.operator.execution import Execution
from aiokai.operator.jobs import JobKey, Jobs
from aiokai.operator.kopf_watch import KopfThread
from aiokai.operator.observed import Cluster
from aiokai.operator.queues import QueueKey, Queues
from aiokai.operator.workqueue import WorkQueue

Seen = Callable[[str, str | None, Mapping[str, Any]], None]


class Reconcilers:
    """Everything that reconciles; it starts only when all children have been listed."""

    def __init__(
        self,
        client: ApiClient,
        cluster: Cluster,
        events: EventRecorder,
        dialects: tuple[Dialect, ...],
        configuration: Callable[[], Configuration],
        kubeconfig: Path | None,
    ) -> None:
        self._work: WorkQueue[JobKey | QueueKey] = WorkQueue(self._step)
        execution = Execution(client, events)
        self._jobs = Jobs(client, cluster, execution, dialects, configuration, self._work.add)
        self._queues = Queues(cluster, execution, dialects, self._work.add)
        self._dialects = {dialect.name: dialect for dialect in dialects}
        self._configuration = configuration
        self._taker: dict[Resource, tuple[str, Seen]] = {}
        for dialect in dialects:
            self._taker[dialect.job.resource] = dialect.name, self._jobs.job_seen
            self._taker[dialect.queue.resource] = dialect.name, self._queues.queue_seen
        self._kubeconfig = kubeconfig
        self._kopf: KopfThread | None = None
        self._restart: asyncio.Task[None] | None = None

    @property
    def reflectors(self) -> Iterator[Reflector[Any]]:
        """What they watch beside what the scheduler does."""
        yield from self._jobs.reflectors

    @property
    def trouble(self) -> str | None:
        return "kopf has ended" if self._kopf is not None and not self._kopf.is_alive else None

    def start(self) -> None:
        """Begin to reconcile."""
        self._kopf = KopfThread(self._taker, self._kubeconfig, self._object_seen)
        self._kopf.start()

    def kind_appeared(self) -> None:
        """Let kopf look again: it overlooks kinds whose definitions appear in the moment in which it starts."""
        if self._kopf is not None and (self._restart is None or self._restart.done()):
            self._restart = asyncio.create_task(self._start_kopf_again(self._kopf))

    async def _start_kopf_again(self, kopf: KopfThread) -> None:
        self._kopf = None
        await kopf.stop()
        self.start()

    async def stop(self) -> None:
        """End; a step that was cut is taken again after the next start."""
        if self._restart is not None:
            await asyncio.wait((self._restart,))
        if self._kopf is not None:
            await self._kopf.stop()
        await self._work.stop()

    def pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        self._jobs.child_changed(PODS, old, new)

    def pod_group_changed(self, old: PodGroup | None, new: PodGroup | None) -> None:
        pod_group = new or old
        if pod_group is not None and pod_group.dialect in self._dialects:
            self._jobs.child_changed(self._dialects[pod_group.dialect].pod_group.resource, old, new)
            self._queues.pod_group_changed(pod_group)

    def _object_seen(self, resource: Resource, event_type: str | None, body: Mapping[str, Any]) -> None:
        dialect, seen = self._taker[resource]
        seen(dialect, event_type, body)

    async def _step(self, key: JobKey | QueueKey) -> float | None:
        match key:
            case JobKey():
                return await self._jobs.step(key)
            case QueueKey():
                # Whether a queue is open is told by whoever tells its numbers too.
                return await self._queues.step(key) if owns_unnamed(self._configuration(), key.dialect) else None
            case _:
                assert_never(key)
