"""What a cycle decided: frozen values, grouped by gang, for the edge to carry out.

The edge needs nothing else: a Bind holds all that goes into the pod's one Binding, a verdict the words for conditions
and Events, a status the object's new status. Equal inputs give equal decisions.
"""

from collections.abc import Mapping
from typing import NamedTuple

from aiokai.model.base import Identity
from aiokai.model.pod_group import PodGroupStatus
from aiokai.model.queue import QueueStatus
from aiokai.model.reasons import Reason


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


class Bind(NamedTuple):
    """One pod goes to one node, with these annotations in the same write."""

    uid: str
    namespace: str
    name: str
    node: str
    annotations: Mapping[str, str]
    devices: tuple[int, ...] = ()  # index on the node of each device asked for, in the order of the asks


class Nominate(NamedTuple):
    """One pod waits for room on this node that is being freed."""

    uid: str
    namespace: str
    name: str
    node: str
    devices: tuple[int, ...] = ()


class Verdict(NamedTuple):
    """Why a gang, or what is left of it, does not start now.

    Attributes:
        reason: the condition's reason on the PodGroup.
        message: the sentence on the PodGroup and in the Event.
        pod_message: the sentence for PodScheduled=False of each waiting pod, in kube-scheduler's wording.
        pods: the waiting pods, (uid, namespace, name).
    """

    reason: Reason
    message: str
    pod_message: str
    pods: tuple[tuple[str, str, str], ...]


class GangDecision(NamedTuple):
    """Everything decided about one gang in one cycle; carried out whole or not at all."""

    gang: GangKey
    binds: tuple[Bind, ...] = ()
    nominations: tuple[Nominate, ...] = ()
    verdict: Verdict | None = None
    status: PodGroupStatus | None = None  # to be written, None when it is already so or the gang is a lone pod


class QueueDecision(NamedTuple):
    """A queue's new numbers; only for queues in which they changed. `state` is the controller's, and left alone."""

    queue: Identity
    status: QueueStatus


class Decisions(NamedTuple):
    """The outcome of a cycle. Gangs in the order in which they were decided."""

    gangs: tuple[GangDecision, ...] = ()
    queues: tuple[QueueDecision, ...] = ()

    @property
    def binds(self) -> int:
        return sum(len(gang.binds) for gang in self.gangs)
