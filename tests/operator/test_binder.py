"""What becomes of each Binding is found out, whatever the API server answers."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from aiokai.devices.vgpu import ALLOCATED, BIND_PHASE
from aiokai.errors import ApiError, BadRequestError, ConflictError, NotFoundError, UnavailableError
from aiokai.model.kube import ObjectMeta, Pod, PodSpec
from aiokai.operator import binder as binder_module
from aiokai.operator.binder import Binder
from aiokai.session.decisions import Bind


class Server:
    """A fake client: what it says to a Binding, and what pod it shows."""

    def __init__(self) -> None:
        self.says: Callable[[str], ApiError | None] = lambda _: None
        self.shows: Callable[[str], Pod | ApiError] = lambda name: pod(name)
        self.bound: list[str] = []
        self.looked = 0
        self.wants: dict[str, Any] = {}

    async def bind(self, name: str, _namespace: str, _node: str, *, uid: str, annotations: Any) -> None:
        assert (uid, annotations) == (f"uid-{name}", self.wants.get(name, {}))
        self.bound.append(name)
        if error := self.says(name):
            raise error

    async def get(self, _resource: Any, name: str, _namespace: str, *, into: type) -> Pod:
        assert into is Pod
        self.looked += 1
        shown = self.shows(name)
        if isinstance(shown, ApiError):
            raise shown
        return shown


class Reported:
    def __init__(self) -> None:
        self.bound_pods: list[str] = []
        self.failed_pods: list[str] = []

    def bound(self, bind: Bind, took_s: float) -> None:
        assert took_s >= 0
        self.bound_pods.append(bind.name)

    def failed(self, bind: Bind, error: ApiError) -> None:
        assert str(error)
        self.failed_pods.append(bind.name)


def pod(name: str, node: str = "", uid: str = "") -> Pod:
    return Pod(ObjectMeta(name=name, namespace="default", uid=uid or f"uid-{name}"), PodSpec(node_name=node))


def gang(*names: str) -> tuple[Bind, ...]:
    return tuple(Bind(f"uid-{name}", "default", name, "n0", {}) for name in names)


class Bench:
    """A binder between a fake server and what it reports."""

    def __init__(self) -> None:
        self.server, self.report, self.forgotten = Server(), Reported(), list[str]()
        self.binder = Binder(self.server, self.forgotten.append)  # type: ignore[arg-type]

    async def settle(self) -> None:
        """Wait until nothing is in flight."""
        async with asyncio.timeout(5):
            while self.binder.in_flight:  # noqa: ASYNC110 - the end of several tasks, not one event
                await asyncio.sleep(0.001)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(binder_module, "FIRST_REST_S", 0.001)
    return Bench()


async def test_a_gang_is_bound_when_the_watch_has_shown_every_pod(bench: Bench) -> None:
    bench.binder.send(gang("a", "b"), bench.report)
    await asyncio.sleep(0.01)
    assert sorted(bench.server.bound) == ["a", "b"]
    assert bench.report.bound_pods == []
    assert bench.binder.is_sending("uid-a")
    for name in ("a", "b"):
        bench.binder.saw(pod(name, "n0"))
    await bench.settle()
    assert sorted(bench.report.bound_pods) == ["a", "b"]
    assert bench.forgotten == []
    assert bench.server.looked == 0


@pytest.mark.parametrize(
    "error", [BadRequestError("no", code=422), NotFoundError("gone", code=404)], ids=["refused", "gone"]
)
async def test_a_binding_that_is_refused_ends_the_assumption(bench: Bench, error: ApiError) -> None:
    bench.server.says = lambda _: error
    bench.binder.send(gang("a"), bench.report)
    await bench.settle()
    assert bench.forgotten == ["uid-a"]
    assert bench.report.failed_pods == ["a"]
    assert bench.server.looked == 0


@pytest.mark.parametrize(
    "error", [UnavailableError("timeout"), ConflictError("409", code=409)], ids=["no answer", "conflict"]
)
async def test_an_answer_that_proves_nothing_leads_to_a_look(bench: Bench, error: ApiError) -> None:
    bench.server.says = lambda _: error
    bench.server.shows = lambda name: pod(name, node="n0" if name == "a" else "")
    bench.binder.send(gang("a", "b"), bench.report)
    await asyncio.sleep(0.02)
    assert bench.server.looked == 2
    assert bench.forgotten == ["uid-b"]


async def test_a_pod_of_the_same_name_is_not_the_pod(bench: Bench) -> None:
    bench.server.says = lambda _: ConflictError("uid", code=409)
    bench.server.shows = lambda name: pod(name, node="n0", uid="another")
    bench.binder.send(gang("a"), bench.report)
    await bench.settle()
    assert bench.forgotten == ["uid-a"]


async def test_while_the_server_is_silent_the_assumption_holds(bench: Bench) -> None:
    bench.server.says = lambda _: UnavailableError("reset")
    bench.server.shows = lambda _: UnavailableError("reset")
    bench.binder.send(gang("a"), bench.report)
    await asyncio.sleep(0.02)
    assert bench.server.looked > 1
    assert bench.forgotten == []
    bench.binder.saw(pod("a", "n0"))
    await bench.settle()
    assert bench.forgotten == []


async def test_a_pod_that_is_deleted_on_its_way_is_let_go(bench: Bench) -> None:
    bench.binder.send(gang("a"), bench.report)
    await asyncio.sleep(0.01)
    bench.binder.lost("uid-a")
    await bench.settle()
    assert bench.report.bound_pods == []
    assert bench.forgotten == []


async def test_a_pod_that_fails_again_and_again_rests_longer_and_longer(bench: Bench) -> None:
    bench.server.says = lambda _: BadRequestError("no", code=422)
    rests = []
    for _ in range(4):
        began = asyncio.get_running_loop().time()
        bench.binder.send(gang("a"), bench.report)
        await bench.settle()
        rests.append(asyncio.get_running_loop().time() - began)
    assert rests[3] > 0.008


async def test_a_pod_that_went_while_it_waited_for_the_device_plugin_holds_up_nobody(bench: Bench) -> None:
    def share(name: str, card: str) -> Bind:
        marks = {ALLOCATED: f"{card},NVIDIA,4096,25:;", BIND_PHASE: "allocating"}
        return Bind(f"uid-{name}", "default", name, "n0", marks)

    bench.server.wants = {name: share(name, f"GPU-{name}").annotations for name in ("a", "b", "c")}
    for name in ("a", "b", "c"):
        bench.binder.send((share(name, f"GPU-{name}"),), bench.report)
    await asyncio.sleep(0.01)
    assert bench.server.bound == ["a"]
    bench.binder.lost("uid-b")
    bench.binder.lost("uid-a")
    await asyncio.sleep(0.01)
    assert bench.server.bound == ["a", "c"]
    bench.binder.lost("uid-c")
    await bench.settle()
