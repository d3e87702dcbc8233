"""What is said of a decision while it is carried out: one Event a gang, whatever becomes of its pods."""

from types import SimpleNamespace
from typing import Any

from aiokai.errors import ForbiddenError
from aiokai.model.pod_group import GangKey
from aiokai.operator.binder import Report
from aiokai.operator.dispatch import Dispatcher
from aiokai.operator.metrics import Metrics
from aiokai.session.decisions import Bind, GangDecision


class Edge:
    """A binder that hands out what it was given, and a recorder of Events."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.events: list[str] = []

    def send(self, _binds: tuple[Bind, ...], report: Report) -> None:
        self.reports.append(report)

    def record(self, _about: Any, _kind: str, reason: str, _message: str) -> None:
        self.events.append(reason)


def test_a_gang_none_of_whose_pods_can_be_bound_gets_one_event() -> None:
    edge: Any = Edge()
    nobody: Any = SimpleNamespace(pod_group=lambda _: None, pod=lambda *_: None, queue=lambda _: None)
    metrics = Metrics()
    dispatcher = Dispatcher(edge, edge, edge, nobody, metrics, lambda _: True)
    binds = tuple(Bind(f"uid-{i}", "lab", f"train-{i}", "n0", {}) for i in range(3))
    dispatcher.carry_out(1, GangDecision(GangKey("aiokai", "lab", "train", lone=False), binds))
    for bind in binds:
        edge.reports[0].failed(bind, ForbiddenError("no", code=403))
    assert edge.events == ["FailedBinding"]
    assert metrics.registry.get_sample_value("aiokai_bind_failures_total") == 3
