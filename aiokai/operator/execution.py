"""Carries out what a controller wants done, and keeps the server's answers for its next call.

Nothing here decides. A create that finds its object there already, made by us, is a success whose answer was lost; a
delete that finds it gone is one too. What fails is written down as an `Answer`, and the controller is called again.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from aiokai.client.api import ApiClient
from aiokai.controllers.changes import Answer, Changes, Create, Delete, Patch
from aiokai.errors import ApiError, ConflictError, InvalidObjectError, NotFoundError
from aiokai.model.base import Envelope
from aiokai.model.kube import Pod
from aiokai.model.resource import Resource
from aiokai.operator.events import EventRecorder, Regarding

AT_ONCE: Final = 32
"""Writes of all controllers together that may be in flight."""


class Versions(dict[Resource, str]):
    """The newest version of each collection that our own writes have made."""

    def wrote(self, resource: Resource, version: str) -> None:
        if version and int(version) > int(self.get(resource, "0")):
            self[resource] = version


class Execution:
    """Carries out the Changes of one object at a time; many of these may run at once."""

    def __init__(self, client: ApiClient, events: EventRecorder) -> None:
        self._client = client
        self._events = events
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def carry_out(
        self, changes: Changes, about: Regarding, resource: Resource, answers: dict[str, Answer]
    ) -> Versions:
        """Do everything in `changes`, in its order.

        Args:
            changes: what a controller returned for the object.
            about: the object.
            resource: its kind.
            answers: what the server said is put in here.

        Returns: the versions that the watches must have reached before the controller is called again.

        Raises:
            ApiError: a patch, a delete or the status could not be written; the rest was done.
        """
        written = Versions()
        await asyncio.gather(*(self._dry_run(create, answers) for create in changes.dry_run))
        for _, creates in groupby(changes.create, key=lambda create: create.resource):
            await asyncio.gather(*(self._create(create, about.uid, answers, written) for create in creates))
        failed = await _errors(self._patch(patch, written) for patch in changes.patch)
        failed += await _errors(self._delete(delete) for delete in changes.delete)
        if changes.status is not None:
            await self._write_status(changes.status, about, resource, written)
        for event in changes.events:
            self._events.record(about, event.type, event.reason, event.message)
        if failed:
            raise failed[0]
        return written

    async def _dry_run(self, create: Create, answers: dict[str, Answer]) -> None:
        try:
            async with self._slots:
                pod = await self._client.create(
                    create.resource, dict(create.body), _namespace(create.body),
                    into=Pod, dry_run=True, strict=True,
                )  # fmt: skip
        except (ApiError, InvalidObjectError) as error:
            answers[create.key] = _failure(error, answers.get(create.key))
        else:
            answers[create.key] = Answer(200, datetime.now(UTC), pod=pod)

    async def _create(
        self, create: Create, owner: str, answers: dict[str, Answer], written: Versions
    ) -> None:  # fmt: skip
        where, namespace = create.resource, _namespace(create.body)
        try:
            async with self._slots:
                try:
                    made = await self._client.create(where, dict(create.body), namespace, into=Envelope)
                except ConflictError as error:
                    made = await self._client.get(where, create.body["metadata"]["name"], namespace, into=Envelope)
                    if all(reference.uid != owner for reference in made.metadata.owner_references):
                        raise error from None
                    made = await self._labelled(create, made)
        except ApiError as error:
            answers[create.key] = _failure(error, answers.get(create.key))
        else:
            answers.pop(create.key, None)
            written.wrote(create.resource, made.metadata.resource_version)

    async def _labelled(self, create: Create, found: Envelope) -> Envelope:
        """The object that was there, with our labels: without them no watch would show one that Volcano has made."""
        old, wanted = found.metadata.labels or {}, create.body["metadata"].get("labels") or {}
        missing = {name: value for name, value in wanted.items() if old.get(name) != value}
        if not missing:
            return found
        where, meta, body = create.resource, found.metadata, {"metadata": {"labels": missing}}
        return await self._client.patch(where, meta.name, body, meta.namespace, into=Envelope)

    async def _patch(self, patch: Patch, written: Versions) -> None:
        async with self._slots:
            made = await self._client.patch(
                patch.resource, patch.name, dict(patch.body), patch.namespace, into=Envelope
            )
        written.wrote(patch.resource, made.metadata.resource_version)

    async def _delete(self, delete: Delete) -> None:
        async with self._slots:
            # If it is gone, or another one has its name by now, that is as good.
            with contextlib.suppress(NotFoundError, ConflictError):
                await self._client.delete(delete.resource, delete.name, delete.namespace, uid=delete.uid)

    async def _write_status(
        self, status: Mapping[str, Any], about: Regarding, resource: Resource, written: Versions
    ) -> None:  # fmt: skip
        body = {"metadata": {"uid": about.uid}, "status": status}
        async with self._slots:
            made = await self._client.patch(
                resource, about.name, body, about.namespace, subresource="status", into=Envelope
            )
        written.wrote(resource, made.metadata.resource_version)


async def _errors(writes: Iterable[Coroutine[Any, Any, None]]) -> list[ApiError]:
    """Run the writes together; what went wrong, after all have ended."""
    results = await asyncio.gather(*writes, return_exceptions=True)
    unforeseen = [it for it in results if isinstance(it, BaseException) and not isinstance(it, ApiError)]
    if unforeseen:
        raise unforeseen[0]
    return [it for it in results if isinstance(it, ApiError)]


def _namespace(body: Mapping[str, Any]) -> str:
    return str(body["metadata"].get("namespace", ""))


def _failure(error: ApiError | InvalidObjectError, before: Answer | None) -> Answer:
    code = error.code if isinstance(error, ApiError) else 0
    return Answer(code, datetime.now(UTC), str(error), attempt=(before.attempt if before else 0) + 1)
