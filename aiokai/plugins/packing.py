"""Fill nodes, or spread over them; fill cards, or spread over those.

These only choose the weights of the placing kernels: what they rate changes with every placement.
"""

from collections.abc import Mapping

import numpy as np

from aiokai.kernels.place import Weights
from aiokai.snapshot.arrays import I64


def _by_resource(args: Mapping[str, int], resources: tuple[str, ...]) -> I64:
    return np.array([args.get(name, 0) for name in resources], np.int64)


class Binpack:
    """The fuller a node in what is asked for, the better. `args`: weight by resource."""

    def __init__(self, weight: int, args: Mapping[str, int]) -> None:
        self._weight, self._args = weight, args or {"cpu": 1, "memory": 1, "nvidia.com/gpu": 10}

    def weigh(self, weights: Weights, resources: tuple[str, ...]) -> Weights:
        return weights._replace(pack=_by_resource(self._args, resources), pack_scale=self._weight)


class Spread(Binpack):
    """The emptier a node in what is asked for, the better. `args`: weight by resource."""

    def weigh(self, weights: Weights, resources: tuple[str, ...]) -> Weights:
        return weights._replace(spread=_by_resource(self._args, resources), spread_scale=self._weight)


class DevicePack:
    """A share of a GPU goes to the card that is fullest already, and to the node that has it."""

    def __init__(self, weight: int) -> None:
        self._weight = weight

    def weigh(self, weights: Weights, resources: tuple[str, ...]) -> Weights:  # noqa: ARG002 (of the protocol)
        return weights._replace(device_scale=self._weight)


class DeviceSpread(DevicePack):
    """A share of a GPU goes to the card that fewest use."""

    def weigh(self, weights: Weights, resources: tuple[str, ...]) -> Weights:  # noqa: ARG002 (of the protocol)
        return weights._replace(device_scale=-self._weight, device_spread=True)
