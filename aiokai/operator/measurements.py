"""What the last cycle saw and decided, as metrics; worked out when somebody asks, so that a cycle pays nothing.

The number of series is bounded by queues, resources, node pools and reasons; there is never one per gang, pod or node.
Amounts carry their unit as a label, as kube-state-metrics does: one metric counts cores, bytes and pieces.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from aiokai.client.reflector import Reflector
from aiokai.dialects.figures import ClusterFigures, ForeignNames, QueueFigures
from aiokai.model.base import Amounts, Identity
from aiokai.model.configuration import Web
from aiokai.model.pod_group import GangKey
from aiokai.model.quantity import BYTE_RESOURCES, WHOLE_RESOURCES, parse_quantity
from aiokai.model.queue import DEFAULT_QUEUE, Queue, QueueStatus
from aiokai.operator.foreign_names import FOREIGN_NAMES
from aiokai.session.decisions import Decisions
from aiokai.snapshot.arrays import CORES, DEVICE_MEMORY, I64, GangFacts, Ledger, NodeFacts, Snapshot

ONE_POOL: Final = "default"


class _Seen(NamedTuple):
    """What is kept of a cycle."""

    now: datetime
    resources: tuple[str, ...]
    nodes: tuple[NodeFacts | None, ...]
    allocatable: I64
    idle: I64
    cards: I64
    cards_free: I64
    queues: tuple[Queue | None, ...]
    gangs: tuple[GangFacts | None, ...]
    reasons: Mapping[GangKey, str]  # of those that got no room


class Measurements(Collector):
    """The metrics that are read off the cluster; the others are counted where things happen."""

    def __init__(self, web: Callable[[], Web], cycle: Histogram, bind: Histogram) -> None:
        """Measure nothing yet.

        Args:
            web: the settings as they are now.
            cycle: durations of cycles, which other systems' names repeat.
            bind: durations of Bindings, the same.
        """
        self.last_cycle_s = 0.0
        self._web = web
        self._durations = {"cycle": cycle, "bind": bind}
        self._watches: list[Reflector[Any]] = []
        self._seen: _Seen | None = None
        self._decided: dict[Identity, QueueStatus] = {}
        self._waiting_since: dict[GangKey, datetime] = {}

    def watch(self, reflectors: Iterable[Reflector[Any]]) -> None:
        """Count the failures of these as well."""
        self._watches += reflectors

    def decided(self, snapshot: Snapshot, ledger: Ledger, decisions: Decisions) -> None:
        """Keep what a cycle has come to; the ledger as the session left it."""
        facts, now = snapshot.facts, snapshot.now
        reasons = {it.gang: it.verdict.reason.title for it in decisions.gangs if it.verdict is not None}
        self._waiting_since = {gang: self._waiting_since.get(gang, now) for gang in reasons}
        self._seen = _Seen(
            now, snapshot.resources, snapshot.nodes, facts.nodes.allocatable, ledger.node_idle,
            facts.devices.total, ledger.device_free, snapshot.queues, snapshot.gangs, reasons,
        )  # fmt: skip
        self._decided |= {decision.queue: decision.status for decision in decisions.queues}

    def collect(self) -> Iterator[Metric]:
        """Everything, as it was after the last cycle."""
        yield self._watch_failures()
        if self._seen is None:
            return
        yield from self._gangs(self._seen)
        yield from self._nodes(self._seen)
        queues = [queue for queue in self._seen.queues if queue is not None]
        existing = {queue.identity for queue in queues}
        self._decided = {identity: status for identity, status in self._decided.items() if identity in existing}
        has = (self._seen.allocatable != 0).any(axis=0)
        nothing = {resource: 0.0 for resource, there in zip(self._seen.resources, has.tolist(), strict=True) if there}
        told = [(queue.dialect, self._figures(queue, nothing)) for queue in queues]
        yield from _queues(told)
        figures = ClusterFigures(tuple(figures for _, figures in told), len(self._seen.reasons), self.last_cycle_s)
        for system in self._web().compatibility_metrics:
            yield from _foreign(FOREIGN_NAMES[system], figures, self._durations)

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are not known before the settings are, and the registry need not ask."""
        return ()

    # Gangs, watches

    def _gangs(self, seen: _Seen) -> Iterator[Metric]:
        labels = ["dialect", "queue", "reason"]
        pending = GaugeMetricFamily("aiokai_gangs_pending", "Gangs that got no room in the last cycle.", labels=labels)
        oldest = GaugeMetricFamily(
            "aiokai_gangs_pending_oldest_seconds",
            "For how long the one that waits the longest has been seen to wait.",
            labels=labels,
        )
        queue_of = {(it.dialect, it.namespace, it.name, it.lone): it.queue for it in seen.gangs if it is not None}
        since: defaultdict[tuple[str, str, str], list[datetime]] = defaultdict(list)
        for gang, reason in seen.reasons.items():
            since[gang.dialect, queue_of.get(gang, ""), reason].append(self._waiting_since[gang])
        for labelled, times in sorted(since.items()):
            pending.add_metric(labelled, len(times))
            oldest.add_metric(labelled, (seen.now - min(times)).total_seconds())
        yield pending
        yield oldest

    def _watch_failures(self) -> Metric:
        failures = CounterMetricFamily(
            "aiokai_watch_failures", "Times a watch or list ended in an error and was begun again.", labels=["resource"]
        )
        for reflector in self._watches:
            failures.add_metric([str(reflector.resource)], reflector.failures)
        return failures

    # Nodes

    def _nodes(self, seen: _Seen) -> Iterator[Metric]:
        label = self._web().node_pool_label
        rows: defaultdict[str, list[int]] = defaultdict(list)
        states: Counter[tuple[str, str]] = Counter()
        for row, node in enumerate(seen.nodes):
            if node is not None:
                pool = node.labels.get(label, "") if label else ONE_POOL
                rows[pool].append(row)
                states[pool, "not-ready" if not node.ready else "cordoned" if node.unschedulable else "ready"] += 1
        labels = ["pool", "resource", "unit"]
        total = GaugeMetricFamily("aiokai_nodes_allocatable", "What all nodes have for pods.", labels=labels)
        used = GaugeMetricFamily(
            "aiokai_nodes_allocated", "What pods of any scheduler have of it, and those just decided.", labels=labels
        )
        cards = GaugeMetricFamily("aiokai_nodes_shared_cards", "Cards that pods may share.", labels=["pool"])
        shared = GaugeMetricFamily(
            "aiokai_nodes_shared_cards_allocated",
            "Cards' worth of shares that pods have: of each card its memory or cores, whichever is more.",
            labels=["pool"],
        )
        nodes = GaugeMetricFamily("aiokai_nodes", "Nodes.", labels=["pool", "state"])
        for pool, those in sorted(rows.items()):
            allocatable = seen.allocatable[those].sum(axis=0)
            allocated = allocatable - seen.idle[those].sum(axis=0)
            for column, resource in enumerate(seen.resources):
                if allocatable[column]:
                    unit = [pool, resource, unit_of(resource)]
                    total.add_metric(unit, from_base(resource, int(allocatable[column])))
                    used.add_metric(unit, from_base(resource, int(allocated[column])))
            count, share = _cards(seen.cards[those], seen.cards_free[those])
            cards.add_metric([pool], count)
            shared.add_metric([pool], share)
        for labelled, number in sorted(states.items()):
            nodes.add_metric(labelled, number)
        yield from (total, used, cards, shared, nodes)

    # Queues

    def _figures(self, queue: Queue, nothing: dict[str, float]) -> QueueFigures:
        """`nothing`: 0 of each resource that the cluster has, which statuses leave out."""
        status = self._decided.get(queue.identity, queue.status)
        return QueueFigures(
            name=queue.metadata.name or DEFAULT_QUEUE,
            weight=queue.spec.weight,
            allocated=nothing | amounts_of(status.allocated),
            fair_share=nothing | amounts_of(status.fair_share),
            deserved=amounts_of(status.deserved or queue.spec.deserved),
            capability=amounts_of(queue.spec.capability),
            gangs={"pending": status.pending, "inqueue": status.inqueue, "running": status.running},
        )


def _queues(queues: Iterable[tuple[str, QueueFigures]]) -> Iterator[Metric]:
    """Dialect and figures of each."""
    labels = ["dialect", "queue", "resource", "unit"]
    families = {
        "allocated": GaugeMetricFamily("aiokai_queue_allocated", "What a queue's pods have on nodes.", labels=labels),
        "fair_share": GaugeMetricFamily("aiokai_queue_fair_share", "What it is entitled to now.", labels=labels),
        "deserved": GaugeMetricFamily("aiokai_queue_deserved", "What is protected from reclaim.", labels=labels),
        "capability": GaugeMetricFamily("aiokai_queue_capability", "What it never exceeds.", labels=labels),
    }
    gangs = GaugeMetricFamily("aiokai_queue_gangs", "Gangs of a queue.", labels=["dialect", "queue", "phase"])
    for dialect, queue in queues:
        for what, family in families.items():
            for resource, amount in sorted(getattr(queue, what).items()):
                family.add_metric([dialect, queue.name, resource, unit_of(resource)], amount)
        for phase, count in queue.gangs.items():
            gangs.add_metric([dialect, queue.name, phase], count)
    yield from families.values()
    yield gangs


def _cards(total: I64, free: I64) -> tuple[int, float]:
    """How many shared cards there are, and how many cards' worth of them is allocated."""
    measures = [DEVICE_MEMORY, CORES]
    there = total[..., DEVICE_MEMORY] > 0
    most = np.maximum(total[there][:, measures], 1)
    return int(there.sum()), float((1 - free[there][:, measures] / most).max(axis=1).sum()) if there.any() else 0.0


def unit_of(resource: str) -> str:
    """What an amount is counted in."""
    if resource in BYTE_RESOURCES or resource.startswith("hugepages-"):
        return "bytes"
    return "cores" if resource == "cpu" else "count"


def from_base(resource: str, base: int) -> float:
    """An amount in base units as cores, bytes, pieces."""
    return float(base) if unit_of(resource) == "bytes" or resource in WHOLE_RESOURCES else base / 1000


def amounts_of(amounts: Amounts | None) -> dict[str, float]:
    """Amounts as numbers; what is unlimited is left out."""
    return {resource: float(parse_quantity(text)) for resource, text in (amounts or {}).items() if text != "unlimited"}


def _foreign(names: ForeignNames, figures: ClusterFigures, durations: Mapping[str, Histogram]) -> Iterator[Metric]:
    """The same facts as another system calls them."""
    families: dict[str, GaugeMetricFamily] = {}
    for figure in names.gauges(figures):
        if figure.name not in families:
            families[figure.name] = GaugeMetricFamily(figure.name, figure.meaning, labels=list(figure.labels))
        families[figure.name].add_metric(list(figure.labels.values()), figure.value)
    yield from families.values()
    for ours, (name, meaning) in names.milliseconds.items():
        yield _in_milliseconds(durations[ours], name, meaning)


def _in_milliseconds(ours: Histogram, name: str, meaning: str) -> Metric:
    buckets: list[tuple[str, float]] = []
    total_ms = 0.0
    for metric in ours.collect():
        for sample in metric.samples:
            if sample.name.endswith("_bucket"):
                bound = sample.labels["le"]
                buckets.append((bound if bound == "+Inf" else f"{1000 * float(bound):g}", sample.value))
            elif sample.name.endswith("_sum"):
                total_ms = 1000 * sample.value
    return HistogramMetricFamily(name, meaning, buckets=buckets, sum_value=total_ms)
