"""PodGroup: the pods that start together or not at all, in the queue that pays for them."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator

from aiokai.model.base import Amounts, Count, Custom, Identity, Rule, Seconds, UserModel, WrongFieldError
from aiokai.model.conditions import Conditions


class TopologySpec(UserModel):
    name: str = Field(description="The Topology whose levels are meant.")
    required: str | None = Field(default=None, description="All tasks in one domain of this level, or none start.")
    preferred: str | None = Field(default=None, description="All tasks in one domain of this level, where they fit.")


class SubGroupSpec(UserModel):
    name: str = Field(min_length=1, max_length=63)
    parent: str | None = Field(
        default=None, max_length=63, description="The subgroup this one is a part of; none: the gang itself."
    )
    min_member: Count = Field(default=1, ge=0, description="Pods of this subgroup that make it whole.")
    min_sub_group: int | None = Field(default=None, ge=0, description="Child subgroups that make it whole; none: all.")
    topology: TopologySpec | None = None


class PodGroupSpec(UserModel):
    min_member: Count = Field(default=1, ge=0, description="Pods that make the gang whole: so many start, or none.")
    min_task_member: dict[str, Count] | None = Field(default=None, description="The same for each task by its name.")
    min_resources: Amounts | None = Field(
        default=None, description="What the whole gang needs, known before its pods exist."
    )
    queue: str = Field(default="", description="Who pays; none: the namespace's queue, else `default`.")
    priority_class_name: str = Field(default="", description="Order inside the queue.")
    preemptibility: Literal["preemptible", "non-preemptible"] = "preemptible"
    topology: TopologySpec | None = None
    sub_groups: Annotated[
        tuple[SubGroupSpec, ...],
        Field(
            max_length=256, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = ()
    staleness_grace_period: Seconds | None = Field(
        default=None, description="A gang below its minimum for longer is evicted whole."
    )
    preemption_delay: Seconds | None = Field(default=None, description="It waits so long before it takes from others.")
    scheduling_timeout: Seconds | None = Field(
        default=None, description="An admitted gang without a bound pod goes back into the queue after this."
    )

    # That no two subgroups have one name follows from the list's map keys; longer circles than one are found here only.
    rules: ClassVar = (
        Rule(
            "!has(self.subGroups) || "
            "self.subGroups.all(g, !has(g.parent) || self.subGroups.exists(p, p.name == g.parent && p.name != g.name))",
            "a subgroup names a parent that does not exist, or itself",
        ),
    )

    @model_validator(mode="after")
    def _subgroups_form_a_tree(self) -> "PodGroupSpec":
        parents = {group.name: group.parent for group in self.sub_groups}
        for i, group in enumerate(self.sub_groups):
            if group.name in [other.name for other in self.sub_groups[:i]]:
                raise WrongFieldError(f"subGroups[{i}].name", f"two subgroups have the same name {group.name!r}")
            seen, above = {group.name}, group.parent
            while above is not None:
                if above not in parents:
                    raise WrongFieldError(f"subGroups[{i}].parent", f"there is no subgroup {above!r}")
                if above in seen:
                    raise WrongFieldError(f"subGroups[{i}].parent", f"{group.name!r} is its own ancestor")
                seen.add(above)
                above = parents[above]
        return self


class GangPhase(StrEnum):
    """Where a gang stands. Pending: not admitted; Inqueue: its pods may exist; the rest speaks of its pods."""

    PENDING = "Pending"
    INQUEUE = "Inqueue"
    RUNNING = "Running"
    COMPLETED = "Completed"


class PodGroupStatus(UserModel):
    phase: str = ""
    pending: Count = 0
    running: Count = 0
    succeeded: Count = 0
    failed: Count = 0
    conditions: Conditions = ()


PodGroup = Custom[PodGroupSpec, PodGroupStatus]


class GangKey(NamedTuple):
    """Names a gang: a PodGroup, or a pod that belongs to none and is a gang of one.

    Attributes:
        dialect: whose PodGroup it is, or whose pod.
        name: of the PodGroup, or of the pod.
        lone: True for a pod without PodGroup.
    """

    dialect: str
    namespace: str
    name: str
    lone: bool

    @property
    def identity(self) -> Identity:
        """The PodGroup's; meaningless for a lone pod."""
        return Identity(self.dialect, self.namespace, self.name)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
