import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from aiokai.devices.vgpu import BIND_PHASE, TO_ALLOCATE, Grant, annotations_of, parse_registration
from aiokai.errors import NotFoundError, UnavailableError
from aiokai.localcluster.deviceplugin import STARTED_DEVICES, SharedCards
from aiokai.localcluster.kubelet import LEASE_NAMESPACE
from aiokai.localcluster.nodes import NodeTemplate, Taint
from aiokai.localcluster.podstatus import STOP_FOR
from aiokai.model import keys
from aiokai.model.kube import Node
from aiokai.model.resource import LEASES, NODES
from tests.localcluster.conftest import World

GPU = "nvidia.com/gpu"
NUMBER = "volcano.sh/vgpu-number"


class TestNodes:
    async def test_a_node_is_registered_with_all_that_it_has(self, world: World) -> None:
        name = world.node("n")
        cards = SharedCards(number=2, memory_mib=16384, slots=4)
        template = NodeTemplate(name, {"cpu": "8"}, {"rack": "r1"}, (Taint("gpu", value="a100"),), cards)
        async with world.kubelets(template):
            node = await world.client.get(NODES, name, into=Node)
        assert node.metadata.labels is not None
        assert node.metadata.labels["kubernetes.io/hostname"] == name
        assert node.metadata.labels["rack"] == "r1"
        assert [(taint.key, taint.value, taint.effect) for taint in node.spec.taints] == [("gpu", "a100", "NoSchedule")]
        assert [(one.type, one.status) for one in node.status.conditions] == [("Ready", "True")]
        assert node.status.allocatable is not None
        assert {key: node.status.allocatable[key] for key in ("cpu", "pods", NUMBER)} == {
            "cpu": "8",
            "pods": "110",
            NUMBER: "8",
        }
        registered = parse_registration((node.metadata.annotations or {})["volcano.sh/node-vgpu-register"])
        assert [(card.slots, card.memory) for card in registered] == [(4, 16384)] * 2

    async def test_a_node_that_is_there_is_taken_over(self, world: World) -> None:
        name = world.node("n")
        async with world.kubelets(NodeTemplate(name, {"cpu": "8"})):
            pass
        async with world.kubelets(NodeTemplate(name, {"cpu": "16"}, {"rack": "r2"})):
            node = await world.client.get(NODES, name, into=Node)
        assert (node.status.allocatable or {})["cpu"] == "16"
        assert (node.metadata.labels or {})["rack"] == "r2"

    async def test_a_node_keeps_its_lease(self, world: World) -> None:
        name = world.node("n")
        async with world.kubelets(NodeTemplate(name)):
            lease: dict[str, Any] = {}
            async with asyncio.timeout(10):
                while not lease:
                    try:
                        lease = await world.client.get(LEASES, name, LEASE_NAMESPACE, into=dict)
                    except NotFoundError:
                        await asyncio.sleep(0)
        assert lease["spec"]["holderIdentity"] == name


class TestRunning:
    async def test_a_bound_pod_runs_and_succeeds_in_its_time(self, world: World) -> None:
        name = world.node("n")
        async with world.kubelets(NodeTemplate(name)):
            await world.place("p", name, annotations={keys.RUN_FOR: "50ms"})
            pod = await world.phase("p", "Running")
            assert pod.status.start_time is not None
            assert pod.status.pod_ip
            assert {one.type: one.status for one in pod.status.conditions} == {
                "PodScheduled": "True",
                "PodReadyToStartContainers": "True",
                "Initialized": "True",
                "Ready": "True",
                "ContainersReady": "True",
            }
            pod = await world.phase("p", "Succeeded")
        (status,) = pod.status.container_statuses
        assert status.state.terminated is not None
        assert (status.state.terminated.exit_code, status.state.terminated.reason) == (0, "Completed")
        assert {one.type: one.status for one in pod.status.conditions}["Ready"] == "False"

    async def test_a_pod_without_a_time_runs_until_it_is_deleted(self, world: World) -> None:
        name = world.node("n")
        async with world.kubelets(NodeTemplate(name)):
            await world.place("p", name)
            await world.phase("p", "Running")
            await world.delete("p")
            await world.gone("p")

    async def test_a_pod_fails_with_its_exit_code(self, world: World) -> None:
        name = world.node("n")
        async with world.kubelets(NodeTemplate(name)):
            await world.place("p", name, annotations={keys.RUN_FOR: "0s", keys.EXIT_CODE: "3"})
            pod = await world.phase("p", "Failed")
        state = pod.status.container_statuses[0].state.terminated
        assert state is not None
        assert (state.exit_code, state.reason) == (3, "Error")

    @pytest.mark.parametrize(("policy", "code"), [("OnFailure", "1"), ("Always", "0")])
    async def test_a_pod_is_restarted_as_its_policy_says(self, world: World, policy: str, code: str) -> None:
        name = world.node("n")
        annotations = {keys.RUN_FOR: "10ms", keys.EXIT_CODE: code}
        async with world.kubelets(NodeTemplate(name)):
            await world.place("p", name, restart_policy=policy, annotations=annotations)
            pod = await world.until(
                "p", lambda pod: any(status.restart_count for status in pod.status.container_statuses)
            )
        assert pod.status.phase == "Running"

    async def test_a_pod_that_succeeds_is_not_restarted_on_failure(self, world: World) -> None:
        name = world.node("n")
        async with world.kubelets(NodeTemplate(name)):
            await world.place("p", name, restart_policy="OnFailure", annotations={keys.RUN_FOR: "10ms"})
            pod = await world.phase("p", "Succeeded")
        assert pod.status.container_statuses[0].restart_count == 0

    async def test_a_pod_takes_its_time_to_stop_but_not_more_than_its_grace(self, world: World) -> None:
        name = world.node("n")
        async with world.kubelets(NodeTemplate(name)):
            await world.place("slow", name, annotations={STOP_FOR: "1h"})
            await world.place("p", name, annotations={STOP_FOR: "100ms"})
            await world.phase("slow", "Running")
            await world.phase("p", "Running")
            began = asyncio.get_running_loop().time()
            await world.delete("slow", grace_period_s=1)
            await world.delete("p")
            await world.gone("p")
            assert asyncio.get_running_loop().time() - began >= 0.1
            await world.gone("slow")

    async def test_pods_of_other_nodes_are_left_alone(self, world: World) -> None:
        ours, other = world.node("n"), world.node("other")
        async with world.kubelets(NodeTemplate(ours)):
            await world.place("theirs", other)
            await world.place("p", ours)
            await world.phase("p", "Running")
            theirs = world.get("theirs")
            assert theirs is not None
            assert theirs.status.phase == "Pending"

    async def test_kubelets_that_are_started_anew_take_up_what_runs(self, world: World) -> None:
        name = world.node("n")
        template = NodeTemplate(name, {GPU: "2"})
        async with world.kubelets(template):
            await world.place("runs", name, {GPU: "1"})
            await world.place("ends", name, {GPU: "1"}, annotations={keys.RUN_FOR: "500ms"})
            started = (await world.phase("runs", "Running")).status.start_time
            await world.phase("ends", "Running")
        await world.place("a-third", name, {GPU: "1"})
        async with world.kubelets(template):
            refused = await world.phase("a-third", "Failed")
            assert refused.status.reason == f"OutOf{GPU}"
            await world.phase("ends", "Succeeded")
            runs = world.get("runs")
            assert runs is not None
            assert (runs.status.phase, runs.status.start_time) == ("Running", started)

    async def test_a_server_that_fails_now_and_then_is_asked_again(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name, patch, calls = world.node("n"), world.client.patch, itertools.count()

        async def flaky(*words: Any, **options: Any) -> Any:
            if next(calls) % 2:
                return await patch(*words, **options)
            raise UnavailableError("not now")

        monkeypatch.setattr(world.client, "patch", flaky)
        async with world.kubelets(NodeTemplate(name)):
            await world.place("p", name, annotations={keys.RUN_FOR: "0s"})
            await world.phase("p", "Succeeded")


class TestAdmission:
    async def test_a_pod_that_does_not_fit_is_refused_as_kubelet_words_it(self, world: World) -> None:
        name = world.node("n")
        async with world.kubelets(NodeTemplate(name, {GPU: "2", "cpu": "4"})):
            await world.place("first", name, {GPU: "2", "cpu": "1500m"})
            await world.place("no-gpu", name, {GPU: "1"})
            await world.place("no-cpu", name, {"cpu": "3"})
            gpu, cpu = await world.phase("no-gpu", "Failed"), await world.phase("no-cpu", "Failed")
            await world.phase("first", "Running")
        assert (gpu.status.reason, gpu.status.message) == (
            "OutOfnvidia.com/gpu",
            "Pod was rejected: Node didn't have enough resource: nvidia.com/gpu, requested: 1, used: 2, capacity: 2",
        )
        assert (cpu.status.reason, cpu.status.message) == (
            "OutOfcpu",
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 3000, used: 1500, capacity: 4000",
        )

    async def test_the_place_of_an_ended_or_deleted_pod_is_free(self, world: World) -> None:
        name = world.node("n")
        async with world.kubelets(NodeTemplate(name, {GPU: "1"})):
            await world.place("ended", name, {GPU: "1"}, annotations={keys.RUN_FOR: "0s"})
            await world.phase("ended", "Succeeded")
            await world.place("deleted", name, {GPU: "1"})
            await world.phase("deleted", "Running")
            await world.delete("deleted")
            await world.gone("deleted")
            await world.place("next", name, {GPU: "1"})
            await world.phase("next", "Running")

    async def test_a_request_that_nobody_advertises_is_dropped(self, world: World) -> None:
        name = world.node("n")
        async with world.kubelets(NodeTemplate(name)):
            await world.place("p", name, {GPU: "8", "nvidia.com/vgpu-memory": "4"})
            await world.phase("p", "Running")

    async def test_an_annotation_that_cannot_be_read_is_named(self, world: World) -> None:
        name = world.node("n")
        async with world.kubelets(NodeTemplate(name)):
            await world.place("p", name, annotations={keys.RUN_FOR: "soon"})
            pod = await world.phase("p", "Failed")
        assert f"metadata.annotations[{keys.RUN_FOR}]: 'soon' is not a duration" in pod.status.message


class TestSharedCards:
    """The plugin's choice, seen from outside. Its rules alone are in test_deviceplugin.py."""

    async def test_a_pod_gets_the_devices_that_its_binding_says(self, world: World) -> None:
        name = world.node("n")
        async with world.kubelets(_shared(name)):
            await world.place("p", name, {NUMBER: 1}, {}, {NUMBER: 2}, bound_with=_given(name, [1, 0, 2], "g", 100))
            pod = await world.phase("p", "Running")
        told = pod.metadata.annotations or {}
        assert told[STARTED_DEVICES] == told["volcano.sh/vgpu-ids-new"]
        assert told[BIND_PHASE] == "success"
        assert told[TO_ALLOCATE] == ";;;"

    async def test_two_pods_that_start_in_the_wrong_order_swap_their_devices(self, world: World) -> None:
        name = world.node("n")
        await world.place("a-later", name, {NUMBER: 1}, bound_with=_given(name, [1], "for-a", 200))
        await world.place("b-earlier", name, {NUMBER: 1}, bound_with=_given(name, [1], "for-b", 100))
        async with world.kubelets(_shared(name)):
            assert "for-b" in await world.annotated("a-later", STARTED_DEVICES)
            assert "for-a" in await world.annotated("b-earlier", STARTED_DEVICES)
            for pod in ("a-later", "b-earlier"):
                await world.phase(pod, "Running")
                await world.until(pod, lambda it: (it.metadata.annotations or {})[BIND_PHASE] == "success")

    async def test_nobody_to_serve_is_an_unexpected_admission_error(self, world: World) -> None:
        name = world.node("n")
        async with world.kubelets(_shared(name)):
            await world.place("p", name, {NUMBER: 2}, bound_with=_given(name, [1], "g", 100))
            pod = await world.phase("p", "Failed")
        assert pod.status.reason == "UnexpectedAdmissionError"
        assert (pod.metadata.annotations or {})[BIND_PHASE] == "failed"


def _shared(name: str) -> NodeTemplate:
    return NodeTemplate(name, cards=SharedCards(number=2, memory_mib=16384, slots=4))


def _given(node: str, counts: list[int], uuid: str, time_s: int) -> dict[str, str]:
    """The annotations of a Binding that gives so many devices to each container."""
    grants = [Grant(i, f"{uuid}-{i}-{k}", 1024, 10) for i, count in enumerate(counts) for k in range(count)]
    return annotations_of(grants, len(counts), node, datetime.fromtimestamp(time_s, UTC))
