"""How fast a ready snapshot becomes decisions: `python -m tests.perf.place [--profile NAME]`.

Each line prints a figure, its bound and where the bound comes from (DESIGN §10). The figure is the best of a few runs,
since others use the machine too. Nothing here is asserted by a test.
"""

import argparse
import cProfile
import gc
import pstats
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aiokai.model.configuration import Configuration, Profile
from aiokai.scheduler import schedule, warm_up
from aiokai.snapshot.cache import Cache
from tests.support.building import NOW, make_group, make_node, make_pod, make_queue

RUNS = 3


@dataclass(frozen=True)
class Measure:
    """One workload, `unit` of which are decided in a cycle; the bound is a rate, or seconds if `seconds`."""

    name: str
    unit: str
    count: int
    bound: float
    origin: str
    fill: Callable[[Cache], None]
    placed: int
    seconds: bool = False


def _nodes(cache: Cache, count: int, allocatable: dict[str, str]) -> None:
    cache.apply_queue(make_queue("default"))
    for i in range(count):
        cache.apply_node(make_node(f"n{i}", allocatable))


def _gangs(cache: Cache, gangs: int, size: int, classes: int = 1) -> None:
    """Gangs of `size` tasks; class k asks for k millicores more."""
    for g in range(gangs):
        cache.apply_pod_group(make_group(f"g{g}", size))
        request = {"cpu": f"{1000 + g % classes}m"}
        for i in range(size):
            cache.apply_pod(make_pod(f"g{g}-{i}", request, group=f"g{g}"))


def _lone(cache: Cache, count: int, request: dict[str, str]) -> None:
    for i in range(count):
        cache.apply_pod(make_pod(f"p{i}", request))


def _measures() -> Iterator[Measure]:
    cluster = {"cpu": "32", "memory": "256Gi"}

    def large(cache: Cache) -> None:
        _nodes(cache, 5000, cluster)
        _gangs(cache, 20, 2500)

    def classes(cache: Cache) -> None:
        _nodes(cache, 5000, cluster)
        _gangs(cache, 500, 100, classes=100)

    def lone(cache: Cache) -> None:
        _nodes(cache, 5000, cluster)
        _lone(cache, 20_000, {"cpu": "1"})

    def fill(cache: Cache) -> None:
        _nodes(cache, 500, {"cpu": "64", "nvidia.com/gpu": "8"})
        _lone(cache, 4000, {"nvidia.com/gpu": "1"})

    def hopeless(cache: Cache) -> None:
        _nodes(cache, 500, {"cpu": "64", "nvidia.com/gpu": "8"})
        _lone(cache, 4000, {"nvidia.com/gpu": "16"})

    def full(cache: Cache) -> None:
        _nodes(cache, 500, {"cpu": "64", "nvidia.com/gpu": "8"})
        for i in range(4000):
            cache.apply_pod(make_pod(f"r{i}", {"nvidia.com/gpu": "1"}, node=f"n{i // 8}", phase="Running"))
        _gangs_of_gpus(cache, 1000, 4)

    def _gangs_of_gpus(cache: Cache, gangs: int, size: int) -> None:
        for g in range(gangs):
            cache.apply_pod_group(make_group(f"g{g}", size))
            for i in range(size):
                cache.apply_pod(make_pod(f"g{g}-{i}", {"nvidia.com/gpu": "1"}, group=f"g{g}"))

    row_1, row_2, ours = "DESIGN §10, row 1", "DESIGN §10, row 2", "ours: hopeless gangs cost nothing"
    yield Measure("20 gangs of 2,500, one class, 5,000 nodes", "tasks", 50_000, 300_000, row_1, large, 50_000)
    yield Measure("500 gangs of 100, 100 classes, 5,000 nodes", "tasks", 50_000, 100_000, row_1, classes, 50_000)
    yield Measure("20,000 gangs of one, 5,000 nodes", "gangs", 20_000, 20_000, row_1, lone, 20_000)
    yield Measure("fill 500 x 8 GPUs with 4,000 gangs", "gangs", 4000, 0.5, row_2, fill, 4000, seconds=True)
    yield Measure("4,000 lone pods that can never fit, 500 nodes", "gangs", 4000, 0.2, ours, hopeless, 0, seconds=True)
    yield Measure("1,000 gangs of 4 before a full cluster", "gangs", 1000, 0.1, ours, full, 0, seconds=True)


def run(measure: Measure, profiled: str) -> bool:
    """Print one line; True if the bound is kept."""
    cache = Cache(Configuration())
    measure.fill(cache)
    gc.collect()
    gc.freeze()  # as the operator does once it has seen everything
    best = float("inf")
    for _ in range(RUNS):
        snapshot, ledger = cache.snapshot(NOW)
        began = time.perf_counter()
        decisions, _ = schedule(snapshot, ledger, Profile())
        best = min(best, time.perf_counter() - began)
        assert decisions.binds == measure.placed, (decisions.binds, measure.placed)
    rate = measure.count / best
    kept = best <= measure.bound if measure.seconds else rate >= measure.bound
    bound = f"<= {measure.bound:g} s" if measure.seconds else f">= {measure.bound:,.0f}/s"
    sys.stdout.write(
        f"{measure.name:48} {best:7.3f} s {rate:10,.0f} {measure.unit}/s  {bound:>14}  "
        f"{'kept' if kept else 'MISSED':6}  ({measure.origin})\n"
    )
    if profiled and profiled in measure.name:
        snapshot, ledger = cache.snapshot(NOW)
        with cProfile.Profile() as profile:
            schedule(snapshot, ledger, Profile())
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="measures whose name contains this")
    parser.add_argument("--profile", default="", help="print a profile of the measures whose name contains this")
    arguments = parser.parse_args()
    warm_up()
    measures = [measure for measure in _measures() if arguments.only in measure.name]
    kept = [run(measure, arguments.profile) for measure in measures]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
