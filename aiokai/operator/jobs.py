"""Jobs: what is observed of each, and one reconcile step at a time.

Bodies come from kopf, children from the Reflectors. A step is taken only when the stores show everything that the step
before it wrote, so that no controller ever decides from a state older than its own decisions.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol, cast

import msgspec

from aiokai.client.api import ApiClient
from aiokai.client.reflector import Reflector, Store
from aiokai.controllers.changes import Answer, Changes
from aiokai.controllers.job import OTHER_CHILDREN, JobChildren, reconcile
from aiokai.dialects import Dialect
from aiokai.errors import ApiError, NotFoundError
from aiokai.model.base import Envelope
from aiokai.model.configuration import Configuration
from aiokai.model.kube import KubeStruct, ObjectMeta, Pod
from aiokai.model.pod_group import PodGroup
from aiokai.model.resource import PODS, Resource
from aiokai.operator.events import Regarding
from aiokai.operator.execution import Execution, Versions
from aiokai.operator.observed import Cluster

log = logging.getLogger(__name__)

OWN_WRITES_LIMIT_S: Final = 5.0
"""A watch that has not shown our own write after so long is not waited for: names are fixed, nothing is made twice."""


class JobKey(NamedTuple):
    dialect: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"job {self.namespace}/{self.name}"


class Child(Protocol):
    @property
    def metadata(self) -> ObjectMeta: ...


class _Other(KubeStruct, frozen=True):
    """A child of which only the metadata matters."""

    metadata: ObjectMeta = ObjectMeta()


class _Observed(NamedTuple):
    body: Mapping[str, Any]
    uid: str
    version: str


class Jobs:
    """Every Job, its children and the server's answers about it."""

    def __init__(
        self,
        client: ApiClient,
        cluster: Cluster,
        execution: Execution,
        dialects: tuple[Dialect, ...],
        configuration: Callable[[], Configuration],
        wake: Callable[[JobKey], None],
    ) -> None:
        """Prepare, with nothing observed.

        Args:
            client: to watch children with.
            cluster: pods and PodGroups.
            execution: of what controllers want.
            dialects: whose Jobs are reconciled.
            configuration: as it is now.
            wake: called with a Job that something has changed for.
        """
        self._client = client
        self._cluster = cluster
        self._execution = execution
        self._dialects = {dialect.name: dialect for dialect in dialects}
        self._configuration = configuration
        self._wake = wake
        self._jobs: dict[JobKey, _Observed] = {}
        self._seen: dict[str, Store[Any]] = {name: Store() for name in self._dialects}
        self._children: defaultdict[str, dict[tuple[Resource, str], Child]] = defaultdict(dict)
        self._answers: defaultdict[str, dict[str, Answer]] = defaultdict(dict)
        self._others: dict[tuple[str, Resource], Reflector[_Other]] = {
            (dialect.name, resource): self._watch_others(resource, dialect.keys.job)
            for dialect in dialects
            for resource in OTHER_CHILDREN
        }

    @property
    def reflectors(self) -> Iterator[Reflector[Any]]:
        yield from self._others.values()

    # What is observed

    def job_seen(self, dialect: str, event_type: str | None, body: Mapping[str, Any]) -> None:
        """Take in what kopf saw of a Job; only the newest body of each stays."""
        metadata = body["metadata"]
        key = JobKey(dialect, metadata["namespace"], metadata["name"])
        self._seen[dialect].advance(max(self._seen[dialect].version, int(metadata["resourceVersion"])))
        if event_type == "DELETED":
            self._lost(key, metadata["uid"])
            return
        self._jobs[key] = _Observed(body, metadata["uid"], metadata["resourceVersion"])
        self._wake(key)

    def child_changed(self, resource: Resource, old: Child | None, new: Child | None) -> None:
        """Take in a change of something that may belong to a Job."""
        child = new or old
        owner = child.metadata.controller if child is not None else None
        if child is None or owner is None:
            return
        for dialect in self._dialects.values():
            kind = dialect.job.resource
            if (owner.api_version, owner.kind) != (kind.api_version, kind.kind):
                continue
            if new is not None:
                self._children[owner.uid][resource, child.metadata.name] = new
            else:
                self._children[owner.uid].pop((resource, child.metadata.name), None)
                if not self._children[owner.uid]:
                    del self._children[owner.uid]
            key = JobKey(dialect.name, child.metadata.namespace, owner.name)
            if key in self._jobs:
                self._wake(key)

    def _lost(self, key: JobKey, uid: str) -> None:
        observed = self._jobs.get(key)
        if observed is not None and observed.uid == uid:
            del self._jobs[key]
        self._answers.pop(uid, None)

    def _watch_others(self, resource: Resource, label: str) -> Reflector[_Other]:
        def changed(old: _Other | None, new: _Other | None) -> None:
            self.child_changed(resource, old, new)

        decode = msgspec.json.Decoder(_Other).decode
        return Reflector(self._client, resource, decode, changed, label_selector=label)

    # One step

    async def step(self, key: JobKey) -> float | None:
        """Reconcile one Job once.

        Returns: after how many seconds to do so again even if nothing changes; None: not before something does.

        Raises:
            ApiError: something could not be written; the step is to be taken again.
        """
        observed = self._jobs.get(key)
        if observed is None:
            return None
        dialect = self._dialects[key.dialect]
        answers = self._answers[observed.uid]
        now = datetime.now(UTC)
        children = self._children_of(observed.uid, dialect.pod_group.resource)
        changes = reconcile(observed.body, children, answers, now, dialect, self._configuration())
        resource = dialect.job.resource
        about = Regarding(resource.api_version, resource.kind, key.namespace, key.name, observed.uid)
        try:
            written = await self._execution.carry_out(changes, about, resource, answers)
        except NotFoundError:
            if not await self._exists(key, observed.uid, resource):
                self._lost(key, observed.uid)
                return None
            raise
        await self._see(written, key.dialect)
        return 0.0 if _is_answered(changes, answers) else changes.retry_after_s

    def _children_of(self, uid: str, pod_group: Resource) -> JobChildren:
        children = self._children.get(uid, {})
        pods = sorted(name for resource, name in children if resource == PODS)
        groups = [cast("PodGroup", child) for (resource, _), child in children.items() if resource == pod_group]
        return JobChildren(
            groups[0] if groups else None,
            tuple(cast("Pod", children[PODS, name]) for name in pods),
            {place: child.metadata for place, child in children.items() if place[0] in OTHER_CHILDREN},
        )

    async def _see(self, written: Versions, dialect: str) -> None:
        """Wait until the stores show what was written."""
        stores: dict[Resource, Store[Any]] = {
            PODS: self._cluster.pods,
            self._dialects[dialect].pod_group.resource: self._cluster.pod_groups(dialect),
            self._dialects[dialect].job.resource: self._seen[dialect],
            **{resource: it.store for (of, resource), it in self._others.items() if of == dialect},
        }
        try:
            async with asyncio.timeout(OWN_WRITES_LIMIT_S):
                for resource, version in written.items():
                    await stores[resource].seen(version)
        except TimeoutError:
            log.warning("a watch has not shown our own writes for %.0f s", OWN_WRITES_LIMIT_S)

    async def _exists(self, key: JobKey, uid: str, resource: Resource) -> bool:
        """Ask, since kopf can miss a deletion while it lists again."""
        try:
            found = await self._client.get(resource, key.name, key.namespace, into=Envelope)
        except NotFoundError:
            return False
        except ApiError:
            return True
        return found.metadata.uid == uid


def _is_answered(changes: Changes, answers: Mapping[str, Answer]) -> bool:
    """True if the server has said something that the controller waits for, and that no watch will bring."""
    return bool(changes.dry_run) or any(create.key in answers for create in changes.create)
