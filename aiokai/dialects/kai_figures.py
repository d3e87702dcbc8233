"""KAI's names of metrics, prefix `kai_`. Source: KAI-Scheduler 0.13, scheduler and queue controller.

The queue controller has three labels for a queue's name; the scheduler has one.
"""

from collections.abc import Iterator
from typing import Final

from aiokai.dialects.figures import CPU, GPU, MEMORY, ClusterFigures, Figure, ForeignNames

_GB: Final = 1e9


def _gauges(cluster: ClusterFigures) -> Iterator[Figure]:
    for queue in cluster.queues:
        name = {"queue_name": queue.name}
        names = {**name, "queue_metadata_name": queue.name, "queue_display_name": queue.name}
        fair, deserved, allocated = queue.fair_share, queue.deserved, queue.allocated
        yield Figure("kai_queue_fair_share_gpu", "Fair share, GPUs.", name, fair.get(GPU, 0.0))
        yield Figure("kai_queue_fair_share_cpu_cores", "Fair share, cores.", name, fair.get(CPU, 0.0))
        yield Figure("kai_queue_fair_share_memory_gb", "Fair share, GB.", name, fair.get(MEMORY, 0.0) / _GB)
        yield Figure("kai_queue_info", "One for each queue.", names, 1.0)
        yield Figure("kai_queue_deserved_gpus", "Quota, GPUs.", names, deserved.get(GPU, 0.0))
        yield Figure("kai_queue_quota_cpu_cores", "Quota, cores.", names, deserved.get(CPU, 0.0))
        yield Figure("kai_queue_quota_memory_bytes", "Quota, bytes.", names, deserved.get(MEMORY, 0.0))
        yield Figure("kai_queue_allocated_gpus", "Allocated, GPUs.", names, allocated.get(GPU, 0.0))
        yield Figure("kai_queue_allocated_cpu_cores", "Allocated, cores.", names, allocated.get(CPU, 0.0))
        yield Figure("kai_queue_allocated_memory_bytes", "Allocated, bytes.", names, allocated.get(MEMORY, 0.0))
    milliseconds = 1000 * cluster.cycle_s
    yield Figure("kai_e2e_scheduling_latency_milliseconds", "The last whole cycle.", {}, milliseconds)


KAI_NAMES: Final = ForeignNames(
    gauges=_gauges,
    milliseconds={"bind": ("kai_task_bind_latency_milliseconds", "From the decision to the bound pod.")},
)
