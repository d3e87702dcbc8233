"""What happens in the demo, as observed from outside: lists of objects become a picture, pictures become a story.

Nothing here knows what the demo's manifests say, but the table of how each Job should end.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiokai.devices.vgpu import REGISTER, Card, parse_grants, parse_registration
from aiokai.errors import InvalidObjectError
from aiokai.model.job import Job, JobPhase
from aiokai.model.keys import JOB
from aiokai.model.kube import Node, Pod

WHOLE_GPU: Final = "nvidia.com/gpu"
ENDED: Final = ("Succeeded", "Failed")

EXPECTED: Final[Mapping[str, str]] = {
    "inference": JobPhase.COMPLETED,
    "train-a": JobPhase.COMPLETED,
    "train-b": JobPhase.COMPLETED,
    "too-large": JobPhase.PENDING,
}


@dataclass(slots=True)
class JobStory:
    """One Job from its creation on."""

    name: str
    queue: str
    replicas: int
    applied_s: float
    phase: str = ""
    message: str = ""
    states: Counter[str] = field(default_factory=Counter)
    """Its pods by what they do: waiting, running, done, failed."""
    waited_s: float | None = None
    """Until all pods that it needs ran; None while they do not."""
    nodes: Counter[str] = field(default_factory=Counter)
    cards: set[tuple[str, str]] = field(default_factory=set)
    """Node and uuid of each card that it shares."""
    gpus: float = 0.0


@dataclass(slots=True)
class NodeStory:
    """One node: how full each of its cards is, 0 to 1, now and at most so far."""

    name: str
    shared: bool
    now: list[float]
    peak: list[float]


class Story:
    """Everything seen so far."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobStory] = {}
        self.nodes: dict[str, NodeStory] = {}
        self.training_together = False
        """Whether two gangs ever had pods at once of which only one fits."""

    def observe(self, at_s: float, jobs: Iterable[Job], pods: Iterable[Pod], nodes: Iterable[Node]) -> list[str]:
        """Take in how things are now.

        Returns: a sentence for each thing that has happened since.
        """
        pods = list(pods)
        happened: list[str] = []
        for job in jobs:
            own = [pod for pod in pods if (pod.metadata.labels or {}).get(JOB) == job.metadata.name]
            happened += self._observe_job(at_s, job, own)
        for node in nodes:
            self._observe_node(node, [pod for pod in pods if pod.spec.node_name == node.metadata.name])
        states = [self.jobs.get(name, _NOBODY).states for name in ("train-a", "train-b")]
        self.training_together |= all(pods["running"] or pods["waiting"] for pods in states)
        return happened

    def is_over(self) -> bool:
        """Whether every Job is where it should end, and the one that cannot start says why."""
        return all(self.as_expected(name) for name in EXPECTED)

    def as_expected(self, name: str) -> bool:
        job = self.jobs.get(name)
        if job is None or job.phase != EXPECTED[name]:
            return False
        return job.phase != JobPhase.PENDING or bool(job.message and not job.states)

    def has_gone_wrong(self) -> bool:
        """Whether a Job has ended as it should not."""
        wrong = (JobPhase.FAILED,)
        return any(job.phase in wrong for job in self.jobs.values())

    def _observe_job(self, at_s: float, job: Job, pods: list[Pod]) -> list[str]:
        name = job.metadata.name
        if name not in self.jobs:
            self.jobs[name] = JobStory(name, job.spec.queue or "default", job.spec.replicas, at_s)
        story = self.jobs[name]
        before = story.phase
        story.phase, story.message = job.status.state.phase, job.status.state.message
        story.states = Counter(_doing(pod) for pod in pods)
        placed = [pod for pod in pods if pod.spec.node_name]
        if placed:
            story.nodes = Counter(pod.spec.node_name for pod in placed)
            story.gpus = sum(_whole_gpus(pod) + sum(share for _, share in _shares(pod, {})) for pod in placed)
            story.cards = {(pod.spec.node_name, uuid) for pod in placed for uuid, _ in _shares(pod, {})}
        if story.waited_s is None and sum(story.states[s] for s in ("running", "done")) >= job.spec.min_member:
            story.waited_s = at_s - story.applied_s
        if story.phase == before:
            return []
        return [_sentence(story)]

    def _observe_node(self, node: Node, pods: list[Pod]) -> None:
        cards = _cards(node)
        active = [pod for pod in pods if pod.status.phase not in ENDED]
        if cards:
            used = {card.uuid: 0.0 for card in cards}
            for pod in active:
                for uuid, share in _shares(pod, {card.uuid: card for card in cards}):
                    used[uuid] = used.get(uuid, 0.0) + share
            now = list(used.values())
        else:
            count = int((node.status.allocatable or {}).get(WHOLE_GPU, 0))
            taken = int(sum(_whole_gpus(pod) for pod in active))
            now = [1.0] * taken + [0.0] * (count - taken)
        old = self.nodes.get(node.metadata.name)
        peak = [max(pair) for pair in zip(now, old.peak, strict=True)] if old and len(old.peak) == len(now) else now
        self.nodes[node.metadata.name] = NodeStory(node.metadata.name, bool(cards), now, peak)


_NOBODY: Final = JobStory("", "", 0, 0.0)


def _doing(pod: Pod) -> str:
    match pod.status.phase:
        case "Succeeded":
            return "done"
        case "Failed":
            return "failed"
        case "Running":
            return "running"
        case _:
            return "waiting"


def _sentence(job: JobStory) -> str:
    where = ", ".join(f"{count} on {node}" for node, count in sorted(job.nodes.items()))
    match job.phase:
        case JobPhase.RUNNING:
            return f"{job.name} runs, all {job.replicas} pods at once: {where}"
        case JobPhase.COMPLETED:
            return f"{job.name} has completed"
        case JobPhase.PENDING:
            return f"{job.name} is queued in {job.queue}"
        case _:
            return f"{job.name} is {job.phase}: {job.message}"


def _cards(node: Node) -> tuple[Card, ...]:
    text = (node.metadata.annotations or {}).get(REGISTER)
    try:
        return parse_registration(text) if text else ()
    except InvalidObjectError:
        return ()


def _whole_gpus(pod: Pod) -> float:
    return sum(int((container.resources.limits or {}).get(WHOLE_GPU, 0)) for container in pod.spec.containers)


def _shares(pod: Pod, cards: Mapping[str, Card]) -> list[tuple[str, float]]:
    """Each card given to a pod with the share of it: the larger of memory, where the card is known, and cores."""
    try:
        grants = parse_grants(pod.metadata.annotations)
    except InvalidObjectError:
        return []
    return [
        (grant.uuid, max(grant.cores / 100, grant.memory / cards[grant.uuid].memory if grant.uuid in cards else 0.0))
        for grant in grants
    ]
