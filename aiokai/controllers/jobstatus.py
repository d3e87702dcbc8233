"""What a Job's pods say about the Job: counts, and the phase by Volcano's rules."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiokai.model.job import Job, JobPhase, JobStatus, TaskStatus
from aiokai.model.kube import Pod

_REFUSALS: Final = frozenset({"UnexpectedAdmissionError", "NodeAffinity"})


def refused_by_kubelet(pod: Pod) -> bool:
    """True if the pod failed before it ran, because its node could not take it. Another one is made, at no cost."""
    reason = pod.status.reason
    return pod.status.phase == "Failed" and (reason.startswith("OutOf") or reason in _REFUSALS)


@dataclass(frozen=True, slots=True)
class PodCounts:
    """Pods of a Job by phase; one that is being deleted is only counted as terminating."""

    by_task: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    terminating: int = 0

    def __getitem__(self, phase: str) -> int:
        return sum(phases.get(phase, 0) for phases in self.by_task.values())

    def succeeded(self, task: str) -> int:
        return self.by_task.get(task, {}).get("Succeeded", 0)


def count_pods(pods: Iterable[tuple[str, Pod]]) -> PodCounts:
    """Count pods, each with the name of its task."""
    by_task: dict[str, Counter[str]] = {}
    terminating = 0
    for task, pod in pods:
        if pod.metadata.deletion_timestamp is not None or refused_by_kubelet(pod):
            terminating += 1
        else:
            by_task.setdefault(task, Counter())[pod.status.phase or "Pending"] += 1
    return PodCounts(by_task, terminating)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a Job stands, and why."""

    phase: JobPhase
    reason: str = ""
    message: str = ""


def next_standing(job: Job, phase: JobPhase, counts: PodCounts) -> Standing:
    """Where the Job stands now, given where it stood; the same while nothing speaks for another phase."""
    if phase.ended or job.spec.replicas == 0:
        return Standing(phase)
    ran = counts["Running"] + counts["Succeeded"] + counts["Failed"]
    if phase is JobPhase.PENDING and ran < job.spec.min_member:
        return Standing(phase)
    if ended := _end(job, counts):
        return ended
    if phase is JobPhase.RUNNING and counts["Pending"] > job.spec.replicas - job.spec.min_member:
        return Standing(JobPhase.PENDING)
    return Standing(JobPhase.RUNNING)


def _end(job: Job, counts: PodCounts) -> Standing | None:
    spec, succeeded, failed = job.spec, counts["Succeeded"], counts["Failed"]
    told = f"{succeeded} of {spec.replicas} pods succeeded"
    if spec.min_success is not None and succeeded >= spec.min_success:
        return Standing(JobPhase.COMPLETED, message=f"{told}, minSuccess is {spec.min_success}")
    if succeeded + failed < spec.replicas:
        return None
    if spec.min_member >= sum(task.min_member for task in spec.tasks):
        for task in spec.tasks:
            done = counts.succeeded(task.name)
            if done < task.min_member:
                lacking = f"task {task.name}: {done} of the {task.min_member} pods it needs succeeded, {failed} failed"
                return Standing(JobPhase.FAILED, "TaskFailed", lacking)
    if spec.min_success is not None:
        return Standing(JobPhase.FAILED, "TooFewSucceeded", f"{told}, minSuccess is {spec.min_success}")
    if succeeded >= spec.min_member:
        return Standing(JobPhase.COMPLETED, message=told)
    return Standing(JobPhase.FAILED, "TooFewSucceeded", f"{told}, minAvailable is {spec.min_member}")


def status_of(job: Job, counts: PodCounts) -> JobStatus:
    """The Job's status with new numbers; state and conditions are left as they were."""
    return job.status.model_copy(
        update={
            "min_available": job.spec.min_member,
            "task_status_count": {task: TaskStatus(phase=dict(phases)) for task, phases in counts.by_task.items()},
            "pending": counts["Pending"],
            "running": counts["Running"],
            "succeeded": counts["Succeeded"],
            "failed": counts["Failed"],
            "terminating": counts.terminating,
            "unknown": counts["Unknown"],
        }
    )
