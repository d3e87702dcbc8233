"""Figures under the names that another system gives them, so that dashboards made for it go on working.

Each system's names stand in its own file beside this one; the operator knows none of them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

CPU, MEMORY, GPU = "cpu", "memory", "nvidia.com/gpu"

Figures = Mapping[str, float]
"""Amount by resource name: cores, bytes, pieces."""


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """What is known of one queue. A resource that is not named is not governed."""

    name: str
    weight: int = 1
    allocated: Figures = field(default_factory=dict)
    fair_share: Figures = field(default_factory=dict)
    deserved: Figures = field(default_factory=dict)
    capability: Figures = field(default_factory=dict)
    gangs: Mapping[str, int] = field(default_factory=dict)  # by phase: pending, inqueue, running


@dataclass(frozen=True, slots=True)
class ClusterFigures:
    """What is known after a cycle."""

    queues: tuple[QueueFigures, ...] = ()
    gangs_pending: int = 0
    cycle_s: float = 0.0  # the last one


class Figure(NamedTuple):
    """One value of a gauge."""

    name: str
    meaning: str
    labels: Mapping[str, str]
    value: float


class ForeignNames(NamedTuple):
    """The names of one system.

    Attributes:
        gauges: everything that has a value now; figures of one name have the same labels.
        milliseconds: name and meaning of a histogram, by ours: `cycle` or `bind`.
    """

    gauges: Callable[[ClusterFigures], Iterable[Figure]]
    milliseconds: Mapping[str, tuple[str, str]]
