"""Queue: who may use how much.

Capability is never exceeded, guarantee is held even while idle, deserved is protected from reclaim; what lies between
is lent by weight.
"""

from typing import Final, Literal

from pydantic import Field, model_validator

from aiokai.errors import InvalidObjectError
from aiokai.model.base import Amounts, Count, Custom, Rule, Seconds, UserModel, WrongFieldError
from aiokai.model.conditions import Conditions
from aiokai.model.quantity import parse_quantity


class QueueAffinityTerms(UserModel):
    required: tuple[str, ...] = Field(
        default=(), alias="requiredDuringSchedulingIgnoredDuringExecution", description="Node groups that must match."
    )
    preferred: tuple[str, ...] = Field(
        default=(), alias="preferredDuringSchedulingIgnoredDuringExecution", description="Node groups that are better."
    )


class QueueAffinity(UserModel):
    node_group_affinity: QueueAffinityTerms | None = None
    node_group_anti_affinity: QueueAffinityTerms | None = None


class QueueSpec(UserModel):
    parent: str | None = Field(default=None, description="The queue this one is a part of; none: a top queue.")
    weight: int = Field(default=1, ge=1, le=65535, description="Share of what is lent, beside its siblings.")
    priority: Count = Field(default=0, ge=0, description="Queues of a higher priority are served and lent to first.")
    capability: Amounts | None = Field(
        default=None, description="Never exceeded. A resource not named is unlimited; 0 means nothing."
    )
    deserved: Amounts | None = Field(
        default=None,
        description="Protected from reclaim. A queue that names some resources is not governed in the others.",
    )
    guarantee: Amounts | None = Field(default=None, description="Held for this queue even while it is idle.")
    over_quota_weight: dict[str, int] | None = Field(
        default=None, description="Weight per resource of what is lent above deserved; default: weight."
    )
    reclaimable: bool = Field(default=True, description="Whether others may take back what this queue borrowed.")
    preempt_min_runtime: Seconds | None = Field(default=None, description="A gang is not preempted before it ran this.")
    reclaim_min_runtime: Seconds | None = Field(default=None, description="A gang is not reclaimed before it ran this.")
    dequeue_strategy: Literal["fifo", "traverse"] = Field(
        default="traverse", description="traverse: a gang that does not fit is passed over; fifo: it blocks its queue."
    )
    state: Literal["Open", "Closed"] = Field(default="Open", description="A closed queue starts nothing new.")
    affinity: QueueAffinity | None = Field(default=None, description="Node groups this queue may or should use.")

    @model_validator(mode="after")
    def _gets_no_more_than_its_capability(self) -> "QueueSpec":
        # Not in CEL: the API server estimates the comparison of two maps of quantities at eight times what it allows.
        for part, amounts in (("deserved", self.deserved), ("guarantee", self.guarantee)):
            for resource, amount in (amounts or {}).items():
                cap = (self.capability or {}).get(resource)
                if cap is not None and parse_quantity(amount) > parse_quantity(cap):
                    raise WrongFieldError(f"{part}[{resource}]", f"{part} is more than capability ({amount} > {cap})")
        return self


class QueueStatus(UserModel):
    state: str = ""
    allocated: Amounts | None = None
    requested: Amounts | None = None
    deserved: Amounts | None = None
    fair_share: Amounts | None = None
    pending: int = 0
    inqueue: int = 0
    running: int = 0
    conditions: Conditions = ()


Queue = Custom[QueueSpec, QueueStatus]
DEFAULT_QUEUE = "default"

QUEUE_RULES: Final = (
    Rule("!has(self.spec.parent) || self.spec.parent != self.metadata.name", "a queue is not its own parent"),
)
"""What takes the name of the Queue to decide. `check_queue` is the twin."""


def check_queue(queue: Queue) -> None:
    """Check what takes the name of the Queue to decide.

    Raises:
        InvalidObjectError: it names itself as its parent.
    """
    if queue.spec.parent == queue.metadata.name:
        raise InvalidObjectError("spec.parent", "a queue is not its own parent")
