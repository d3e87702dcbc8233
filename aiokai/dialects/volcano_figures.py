"""Volcano's names of metrics, prefix `volcano_`. Source: Volcano 1.15, scheduler and controllers.

Scalar resources are in milli-units there, as in Volcano's own sums.
"""

from collections.abc import Iterator
from typing import Final

from aiokai.dialects.figures import CPU, MEMORY, ClusterFigures, Figure, Figures, ForeignNames, QueueFigures


def _gauges(cluster: ClusterFigures) -> Iterator[Figure]:
    for queue in cluster.queues:
        yield from _amounts(queue, "allocated", queue.allocated)
        yield from _amounts(queue, "deserved", queue.deserved or queue.fair_share)
        yield from _amounts(queue, "capacity", queue.capability)
        label = {"queue_name": queue.name}
        share = _share(queue)
        yield Figure("volcano_queue_share", "Dominant share of what is deserved.", label, share)
        yield Figure("volcano_queue_weight", "Weight of the queue.", label, queue.weight)
        yield Figure("volcano_queue_overused", "1 if it has more than it deserves.", label, float(share > 1))
        for phase, count in queue.gangs.items():
            yield Figure(f"volcano_queue_pod_group_{phase}_count", f"PodGroups that are {phase}.", label, count)
    yield Figure("volcano_unschedule_job_count", "Gangs that got no room.", {}, cluster.gangs_pending)


def _amounts(queue: QueueFigures, what: str, amounts: Figures) -> Iterator[Figure]:
    label = {"queue_name": queue.name}
    yield Figure(f"volcano_queue_{what}_milli_cpu", f"CPU, {what}.", label, 1000 * amounts.get(CPU, 0.0))
    yield Figure(f"volcano_queue_{what}_memory_bytes", f"Memory, {what}.", label, amounts.get(MEMORY, 0.0))
    for resource, amount in sorted(amounts.items()):
        if resource not in (CPU, MEMORY):
            yield Figure(
                f"volcano_queue_{what}_scalar_resources",
                f"Other resources in milli-units, {what}.",
                {**label, "resource": resource},
                1000 * amount,
            )


def _share(queue: QueueFigures) -> float:
    entitled = queue.deserved or queue.fair_share
    return max((queue.allocated.get(resource, 0.0) / most for resource, most in entitled.items() if most), default=0.0)


VOLCANO_NAMES: Final = ForeignNames(
    gauges=_gauges,
    milliseconds={
        "cycle": ("volcano_e2e_scheduling_latency_milliseconds", "A whole cycle."),
        "bind": ("volcano_task_scheduling_latency_milliseconds", "From the decision to the bound pod."),
    },
)
