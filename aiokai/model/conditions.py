"""Conditions in the statuses of our kinds, in Kubernetes' form."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from aiokai.model.base import Timestamp, UserModel


class ConditionStatus(UserModel):
    """One of an object's `status.conditions`."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: Timestamp | None = None
    observed_generation: int | None = None


Conditions = Annotated[
    tuple[ConditionStatus, ...],
    Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
]
"""At most one of each type."""


def with_condition(
    conditions: tuple[ConditionStatus, ...], wanted: ConditionStatus, now: datetime
) -> tuple[ConditionStatus, ...]:
    """`conditions` with the one of `wanted`'s type replaced; the transition time moves only with the status."""
    old = next((c for c in conditions if c.type == wanted.type), None)
    since = old.last_transition_time if old is not None and old.status == wanted.status else now
    new = wanted.model_copy(update={"last_transition_time": since or now})
    if old is None:
        return (*conditions, new)
    return tuple(new if c is old else c for c in conditions)


def without_condition(conditions: tuple[ConditionStatus, ...], kind: str) -> tuple[ConditionStatus, ...]:
    """`conditions` less the one of type `kind`."""
    return tuple(c for c in conditions if c.type != kind)
