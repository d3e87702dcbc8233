"""A decision is carried out only if what it rests on is still so."""

import json
from datetime import UTC, datetime
from typing import Any

from aiokai.dialects import AIOKAI
from aiokai.model.configuration import Configuration, Profile
from aiokai.model.kube import Container, Node, NodeStatus, ObjectMeta, Pod, PodSpec, ResourceRequirements
from aiokai.model.queue import Queue
from aiokai.scheduler import schedule
from aiokai.snapshot.cache import Cache

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def queue(name: str, **spec: Any) -> Queue:
    return AIOKAI.queue.decode(json.dumps({"metadata": {"name": name, "uid": name}, "spec": spec}).encode())


def test_a_queue_above_that_may_have_less_now_makes_it_stale() -> None:
    cache = Cache(Configuration())
    cache.apply_node(Node(ObjectMeta(name="n0"), status=NodeStatus({"cpu": "8", "pods": "110"})))
    cache.apply_queue(queue("top", capability={"cpu": "8"}))
    cache.apply_queue(queue("leaf", parent="top"))
    meta = ObjectMeta(name="p", namespace="lab", uid="p", annotations={"aiokai.io/queue": "leaf"})
    container = Container(resources=ResourceRequirements(requests={"cpu": "4"}))
    cache.apply_pod(Pod(meta, PodSpec(scheduler_name="aiokai", containers=(container,))))
    snapshot, ledger = cache.snapshot(NOW)
    decisions, _ = schedule(snapshot, ledger, Profile())
    (decision,) = decisions.gangs
    assert decision.binds
    assert cache.is_current(snapshot, decision)
    cache.apply_queue(queue("top", capability={"cpu": "2"}))
    assert not cache.is_current(snapshot, decision)
