"""What a cycle decided: frozen values, grouped by gang, for the edge to carry out.

The edge needs nothing else: a Bind holds all that goes into the pod's one Binding, a verdict the words for conditions
and Events, a status the object's new status. Equal inputs give equal decisions.
"""

from collections.abc import Mapping
from typing import NamedTuple

from aiokai.model.base import Identity
from aiokai.model.pod_group import GangKey, PodGroupStatus
from aiokai.model.queue import QueueStatus
from aiokai.model.reasons import Reason


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


class Failure(NamedTuple):
    """The same without the pods: what is said of everyone who asks for that much from the same queue."""

    reason: Reason
    message: str
    pod_message: str


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
