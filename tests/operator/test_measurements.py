"""What is counted has a name that says so, its unit, and a bounded number of series."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from aiokai.model import kube
from aiokai.model.base import Identity
from aiokai.model.configuration import Configuration, Profile, Web
from aiokai.model.queue import QueueStatus
from aiokai.operator.metrics import Metrics
from aiokai.scheduler import schedule
from aiokai.snapshot.cache import Cache
from tests.support.building import NOW, make_node, make_pod, make_queue

MONITORING = Path(__file__).parents[2] / "manifests" / "monitoring"
GPU = "nvidia.com/gpu"


def node(name: str, pool: str, *, ready: bool = True) -> kube.Node:
    return make_node(name, {"cpu": "16", "memory": "64Gi", GPU: "8"}, labels={"pool": pool}, ready=ready)


def pod(name: str, gpus: int, on: str = "") -> kube.Pod:
    return make_pod(name, {"cpu": "1", GPU: str(gpus)}, node=on, phase="Running" if on else "Pending")


def measured(web: Web | None = None, *pods: kube.Pod, later: timedelta = timedelta(0)) -> Metrics:
    """Metrics after a cycle over two pools of nodes; after a second one if time passes."""
    cache = Cache(Configuration())
    for made in (node("n0", "a"), node("n1", "b"), node("n2", "b", ready=False)):
        cache.apply_node(made)
    cache.apply_queue(make_queue("default", deserved={GPU: "4"}, capability={GPU: "12"}))
    for each in pods:
        cache.apply_pod(each)
    metrics = Metrics(lambda: web or Web())
    for now in (NOW, NOW + later):
        snapshot, ledger = cache.snapshot(now)
        decisions, _ = schedule(snapshot, ledger, Profile())
        metrics.measurements.decided(snapshot, ledger, decisions)
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_gpus_are_counted_by_node_pool() -> None:
    metrics = measured(Web(node_pool_label="pool"), pod("p", 3, on="n0"))
    gpus = {"resource": GPU, "unit": "count"}
    assert value(metrics, "aiokai_nodes_allocatable", pool="a", **gpus) == 8
    assert value(metrics, "aiokai_nodes_allocated", pool="a", **gpus) == 3
    assert value(metrics, "aiokai_nodes_allocated", pool="b", **gpus) == 0
    assert value(metrics, "aiokai_nodes", pool="b", state="not-ready") == 1
    assert value(metrics, "aiokai_nodes_allocatable", pool="a", resource="memory", unit="bytes") == 64 * 2**30
    assert value(metrics, "aiokai_nodes_allocated", pool="a", resource="cpu", unit="cores") == 1


def test_without_a_label_all_nodes_are_one_pool() -> None:
    metrics = measured()
    assert value(metrics, "aiokai_nodes_allocatable", pool="default", resource=GPU, unit="count") == 24


def test_what_was_just_decided_is_allocated() -> None:
    metrics = measured(None, pod("p", 3))
    assert value(metrics, "aiokai_nodes_allocated", pool="default", resource=GPU, unit="count") == 3


def test_a_queue_has_its_share_and_what_it_is_entitled_to() -> None:
    metrics = measured(None, pod("p", 3, on="n0"))
    labels = {"dialect": "aiokai", "queue": "default", "resource": GPU, "unit": "count"}
    assert value(metrics, "aiokai_queue_allocated", **labels) == 3
    assert value(metrics, "aiokai_queue_deserved", **labels) == 4
    assert value(metrics, "aiokai_queue_capability", **labels) == 12
    assert (value(metrics, "aiokai_queue_fair_share", **labels) or 0) >= 3


def test_pending_gangs_are_counted_by_reason_and_how_long_they_wait() -> None:
    metrics = measured(None, pod("large", 9), pod("larger", 10), later=timedelta(hours=2))
    counted = next(m for m in metrics.measurements.collect() if m.name == "aiokai_gangs_pending").samples
    assert sum(sample.value for sample in counted) == 2
    assert {sample.labels["queue"] for sample in counted} == {"default"}
    for sample in counted:
        assert value(metrics, "aiokai_gangs_pending_oldest_seconds", **sample.labels) == 7200


def test_a_queue_that_is_gone_is_forgotten() -> None:
    metrics = measured()
    metrics.measurements._decided[Identity("aiokai", "", "gone")] = QueueStatus()
    list(metrics.measurements.collect())
    assert Identity("aiokai", "", "gone") not in metrics.measurements._decided


def test_no_metric_grows_with_pods_or_nodes() -> None:
    few = measured(None, pod("p0", 1))
    many = measured(None, *(pod(f"p{i}", 1) for i in range(12)))
    series = [sum(len(metric.samples) for metric in metrics.registry.collect()) for metrics in (few, many)]
    assert series[0] == series[1]


@pytest.mark.parametrize("system", ["volcano", "kai"])
def test_names_of_other_systems_come_only_when_asked_for(system: str) -> None:
    def theirs(metrics: Metrics) -> list[str]:
        return [metric.name for metric in metrics.registry.collect() if metric.name.startswith(f"{system}_")]

    assert theirs(measured()) == []
    assert theirs(measured(Web.model_validate({"compatibilityMetrics": [system]})))


def test_volcanos_names() -> None:
    metrics = measured(Web(compatibility_metrics=("volcano",)), pod("p", 3, on="n0"), pod("large", 9))
    queue_name = {"queue_name": "default"}
    assert value(metrics, "volcano_queue_allocated_scalar_resources", **queue_name, resource=GPU) == 3000
    assert value(metrics, "volcano_queue_allocated_milli_cpu", **queue_name) == 1000
    assert value(metrics, "volcano_queue_deserved_scalar_resources", **queue_name, resource=GPU) == 4000
    assert value(metrics, "volcano_queue_weight", **queue_name) == 1
    assert value(metrics, "volcano_queue_overused", **queue_name) == 0
    assert value(metrics, "volcano_unschedule_job_count") == 1


def test_kais_names() -> None:
    metrics = measured(Web(compatibility_metrics=("kai",)), pod("p", 3, on="n0"))
    names = {"queue_name": "default", "queue_metadata_name": "default", "queue_display_name": "default"}
    assert value(metrics, "kai_queue_allocated_gpus", **names) == 3
    assert value(metrics, "kai_queue_deserved_gpus", **names) == 4
    assert (value(metrics, "kai_queue_fair_share_gpu", queue_name="default") or 0) >= 3


def test_durations_are_told_in_their_unit() -> None:
    metrics = measured(Web(compatibility_metrics=("volcano", "kai")))
    metrics.bind_duration_s.observe(0.003)
    for name in ("volcano_task_scheduling_latency_milliseconds", "kai_task_bind_latency_milliseconds"):
        assert value(metrics, f"{name}_bucket", le="5") == 1
        assert value(metrics, f"{name}_bucket", le="2") == 0
        assert value(metrics, f"{name}_count") == 1
        assert value(metrics, f"{name}_sum") == pytest.approx(3)


def expressions() -> list[str]:
    """What the dashboard and the alerts ask Prometheus for."""
    board = json.loads((MONITORING / "dashboard.json").read_text())
    alerts = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    return asked + [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]


def test_dashboard_and_alerts_ask_for_metrics_that_exist() -> None:
    metrics = measured(None, pod("p", 3, on="n0"), pod("large", 9))
    metrics.objects_invalid.labels("Job").inc()
    metrics.measurements.watch([])
    there: dict[str, set[str]] = {"aiokai_watch_failures_total": {"resource"}}
    for metric in metrics.registry.collect():
        for sample in metric.samples:
            there.setdefault(sample.name, set()).update(sample.labels)
    for expression in expressions():
        asked = re.findall(r"(aiokai_\w+)(?:\{([^}]*)\})?", expression)
        assert asked, expression
        for name, matchers in asked:
            assert name in there, expression
            assert set(re.findall(r"(\w+)=", matchers)) <= there[name], expression
        by = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
        assert by <= set().union(*(there[name] for name, _ in asked)), expression
