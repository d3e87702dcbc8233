"""Whole GPUs, counted: the plain device plugins pick the card themselves, so no card is named.

Every resource here is one whole GPU to a queue, whatever its vendor calls it.
"""

from collections.abc import Mapping
from typing import Final

WHOLE_GPUS: Final = ("nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/i915", "gpu.intel.com/xe")


def whole_gpus(request: Mapping[str, int]) -> int:
    """Milli-GPUs in a request in base units."""
    return sum(request.get(name, 0) for name in WHOLE_GPUS)
