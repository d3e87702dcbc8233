"""What queues are entitled to, and who of them comes first."""

import numpy as np

from aiokai.plugins.fairshare import FairShare
from tests.support.building import NOW, make_node, make_pod, make_queue
from tests.support.mirror import Mirror


def shares(mirror: Mirror, resource: str) -> dict[str, int]:
    snapshot, ledger = mirror.cache.snapshot(NOW)
    entitled, column = FairShare().entitle(snapshot, ledger), snapshot.resources.index(resource)
    return {queue.metadata.name: int(entitled[row, column]) for row, queue in enumerate(snapshot.queues) if queue}


def test_children_divide_what_their_parent_has() -> None:
    mirror = Mirror()
    mirror.put(make_queue("top"), make_queue("a", parent="top", weight=3), make_queue("b", parent="top"))
    mirror.put(make_queue("beside"), make_node("n0", {"cpu": "8"}))
    for queue in ("a", "b", "beside"):
        mirror.put(*(make_pod(f"{queue}-{i}", {"cpu": "1"}, queue=queue) for i in range(9)))
    assert shares(mirror, "cpu") == {"top": 4000, "a": 3000, "b": 1000, "beside": 4000}


def test_a_gpu_is_divided_whole() -> None:
    mirror = Mirror()
    mirror.put(make_queue("a", age_s=9), make_queue("b"), make_node("n0", {"nvidia.com/gpu": "3"}))
    for queue in ("a", "b"):
        mirror.put(*(make_pod(f"{queue}-{i}", {"nvidia.com/gpu": "1"}, queue=queue) for i in range(3)))
    assert shares(mirror, "nvidia.com/gpu") == {"a": 2000, "b": 1000}


def test_a_column_that_only_others_need_does_not_change_who_is_over_its_share() -> None:
    mirror = Mirror()
    mirror.put(make_queue("a"), make_node("n0", {"cpu": "2", "example.com/other": "5"}))
    snapshot, _ = mirror.cache.snapshot(NOW)
    entitled = np.zeros((1, len(snapshot.resources)), np.int64)
    used, nothing = entitled[0].copy(), entitled[0]
    entitled[0, 0], used[0] = 1000, 2000
    assert FairShare().queue_key(snapshot, entitled, 0, used, nothing * 0)[0] == 1
