"""Objects that cannot be read as what they should be: each is told so, and nobody else is disturbed."""

from datetime import UTC, datetime
from typing import Any, Final

from aiokai.client.api import ApiClient
from aiokai.dialects.dialect import DialectKind
from aiokai.errors import InvalidObjectError
from aiokai.model.base import Envelope, UserModel, decode_custom
from aiokai.model.conditions import ConditionStatus, with_condition
from aiokai.model.kube import ObjectMeta
from aiokai.operator.events import EventRecorder, Regarding
from aiokai.operator.metrics import Metrics
from aiokai.operator.writes import LowPriorityWrites

INVALID: Final = "Invalid"


class _Conditions(UserModel):
    conditions: tuple[ConditionStatus, ...] = ()


class InvalidObjects:
    """Writes condition `Invalid`, with path and reason, and one Event."""

    def __init__(self, client: ApiClient, writes: LowPriorityWrites, events: EventRecorder, metrics: Metrics) -> None:
        self._client = client
        self._writes = writes
        self._events = events
        self._metrics = metrics

    def tell(self, kind: DialectKind[Any, Any], metadata: ObjectMeta, error: InvalidObjectError) -> None:
        """Say on the object what is wrong with it."""
        resource = kind.resource
        self._metrics.objects_invalid.labels(resource.kind).inc()
        about = Regarding(resource.api_version, resource.kind, metadata.namespace, metadata.name, metadata.uid)
        self._events.record(about, "Warning", INVALID, str(error))
        self._writes.submit((str(resource), metadata.uid, INVALID), lambda: self._write(kind, metadata, error))

    async def _write(self, kind: DialectKind[Any, Any], metadata: ObjectMeta, error: InvalidObjectError) -> None:
        """Add the condition to those that the object has now, which only the API server knows."""
        where, name, namespace = kind.resource, metadata.name, metadata.namespace
        envelope = await self._client.get(where, name, namespace, into=Envelope)
        known = decode_custom(Envelope(envelope.metadata, {}, envelope.status), "", UserModel, _Conditions).status
        if envelope.metadata.uid != metadata.uid or _says(known.conditions, str(error)):
            return
        conditions = invalid_condition(known.conditions, error, envelope.metadata.generation, datetime.now(UTC))
        status = _Conditions(conditions=conditions).model_dump(mode="json", by_alias=True, exclude_none=True)
        body = {"metadata": {"uid": metadata.uid}, "status": status}
        await self._client.patch(where, name, body, namespace, subresource=kind.status_path, into=bytes)


def invalid_condition(
    conditions: tuple[ConditionStatus, ...], error: InvalidObjectError, generation: int, now: datetime
) -> tuple[ConditionStatus, ...]:
    """`conditions` with one that names path and reason of what is wrong."""
    wanted = ConditionStatus(
        type=INVALID, status="True", reason=INVALID, message=str(error), observed_generation=generation
    )
    return with_condition(conditions, wanted, now)


def _says(conditions: tuple[ConditionStatus, ...], message: str) -> bool:
    return any(c.type == INVALID and c.status == "True" and c.message == message for c in conditions)
