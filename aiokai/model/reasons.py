"""Why a gang waits, or a task may not run on a node.

A kernel or filter writes a `Blame` as one int32 code per node; people read the reason's name in a condition and the
sentence behind it. Sentences about nodes are kube-scheduler's, so that people and dashboards know them.
"""

from enum import IntEnum, unique
from typing import NamedTuple


@unique
class Reason(IntEnum):
    """One cause. The number is what kernels write, the name (in CamelCase) is the condition's `reason`."""

    NONE = 0
    # of a node
    INSUFFICIENT_RESOURCES = 1
    UNTOLERATED_TAINT = 2
    NODE_UNSCHEDULABLE = 3
    NODE_NOT_READY = 4
    NODE_AFFINITY = 5
    INSUFFICIENT_DEVICES = 6
    VOLUME_NODE_AFFINITY = 7
    # of a gang
    UNSCHEDULABLE = 20
    NEVER_FITS = 21
    GANG_INCOMPLETE = 22
    QUEUE_NOT_FOUND = 23
    QUEUE_CLOSED = 24
    QUEUE_NOT_LEAF = 25
    QUEUE_ORPHAN = 26
    QUEUE_OVER_CAPABILITY = 27
    QUEUE_NOT_ADMITTED = 28
    NOT_ENOUGH_RESOURCES = 29
    UNSUPPORTED_CONSTRAINT = 30
    NO_SHARED_DEVICES = 31
    SCHEDULING_GATED = 32
    POD_GROUP_NOT_FOUND = 33
    INVALID = 34
    WAITS_FOR_RELEASE = 35
    NOT_ITS_TURN = 36

    @property
    def title(self) -> str:
        """The condition's reason: `QueueOverCapability`."""
        return "".join(part.capitalize() for part in self.name.split("_"))

    @property
    def resolvable(self) -> bool:
        """True if taking something from others could help (kube-scheduler's UnschedulableAndUnresolvable is False)."""
        return self in _RESOLVABLE


_RESOLVABLE = frozenset(
    {Reason.INSUFFICIENT_RESOURCES, Reason.INSUFFICIENT_DEVICES, Reason.UNSCHEDULABLE, Reason.NOT_ENOUGH_RESOURCES}
)


class Blame(NamedTuple):
    """Why one node does not serve: the reason and what it is about (a resource, a taint)."""

    reason: Reason
    about: str = ""

    def __str__(self) -> str:
        match self.reason:
            case Reason.INSUFFICIENT_RESOURCES:
                return f"Insufficient {self.about}"
            case Reason.UNTOLERATED_TAINT:
                return f"node(s) had untolerated taint {{{self.about}}}"
            case Reason.NODE_UNSCHEDULABLE:
                return "node(s) were unschedulable"
            case Reason.NODE_NOT_READY:
                return "node(s) were not ready"
            case Reason.NODE_AFFINITY:
                return "node(s) didn't match Pod's node affinity/selector"
            case Reason.VOLUME_NODE_AFFINITY:
                return "node(s) didn't match PersistentVolume's node affinity"
            case Reason.INSUFFICIENT_DEVICES:
                return f"node(s) had no GPU with {self.about} left"
            case _:
                return self.reason.title
