"""Shares of a GPU as KAI and Koordinator users write them: recognised, so that they are not ignored.

Nobody hands such a share out yet; a pod that asks for one waits with the field named.
"""

from typing import Final

from aiokai.model.kube import Pod

FRACTION: Final = "gpu-fraction"
MEMORY: Final = "gpu-memory"
ANNOTATIONS: Final = (FRACTION, MEMORY, "gpu-fraction-num-devices")
_RESOURCE_PREFIX: Final = "koordinator.sh/gpu"


def fraction_asked(pod: Pod) -> str | None:
    """The field in which the pod asks for a share of a GPU; None if it asks for none."""
    for name in ANNOTATIONS:
        if name in (pod.metadata.annotations or {}):
            return f"metadata.annotations[{name}]"
    for i, container in enumerate(pod.spec.containers):
        for name in container.resources.requests or container.resources.limits or {}:
            if name.startswith(_RESOURCE_PREFIX):
                return f"spec.containers[{i}].resources.requests[{name}]"
    return None
