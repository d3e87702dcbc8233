"""Whatever is wrong is told where it is wrong, with path and reason, and nothing else is disturbed."""

import copy
from typing import Any

import pytest

from aiokai.errors import BadRequestError
from aiokai.localcluster.deviceplugin import SharedCards
from aiokai.localcluster.kubelet import NodeTemplate
from aiokai.model.resource import NODES, PODS
from tests.support.world import JOBS, POD_GROUPS, QUEUES, World, job, lone_pod

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CPU = {"cpu": "1"}
QUEUE = {"apiVersion": "aiokai.io/v1alpha1", "kind": "Queue"}


def node(cluster: World, **allocatable: str) -> NodeTemplate:
    return NodeTemplate(f"{cluster.namespace}-n0", allocatable)


def state(cluster: World, name: str) -> dict[str, Any]:
    return dict(cluster.get(JOBS, name).get("status", {}).get("state", {}))


async def runs_as_ever(cluster: World, name: str = "good") -> None:
    """A Job that is right starts beside whatever is wrong."""
    await cluster.create(JOBS, job(name, ("worker", 2, CPU)))
    await cluster.until(lambda: len(cluster.running(name)) == 2)


async def is_refused_or_invalid(cluster: World, body: dict[str, Any]) -> str:
    """What the user reads: from the API server at once, or in condition Invalid."""
    name = body["metadata"]["name"]
    try:
        await cluster.create(JOBS, body)
    except BadRequestError as error:
        return str(error)
    condition = await cluster.until(lambda: cluster.condition(JOBS, name, "Invalid"))
    assert condition["status"] == "True"
    assert await cluster.until(lambda: cluster.events(name, "Invalid"))
    return str(condition["message"])


async def test_a_wrong_value_in_a_job_is_named_by_its_path(cluster: World) -> None:
    async with cluster.nodes(node(cluster)), cluster.operator():
        wrong = job("wrong", ("worker", 2, CPU))
        wrong["spec"]["tasks"][0]["replicas"] = -1
        assert "spec.tasks[0].replicas" in await is_refused_or_invalid(cluster, wrong)
        unknown = job("unknown", ("worker", 2, CPU), plugins={"mpi": []})
        assert "unknown plugin" in await is_refused_or_invalid(cluster, unknown)
        await runs_as_ever(cluster)


async def test_what_only_several_fields_together_make_wrong_is_told_too(cluster: World) -> None:
    async with cluster.nodes(node(cluster)), cluster.operator():
        wrong = job("wrong", ("worker", 2, CPU))
        wrong["spec"]["tasks"][0]["minAvailable"] = 3
        told = await is_refused_or_invalid(cluster, wrong)
        assert "spec.tasks[0]" in told
        assert "more than there are replicas" in told
        await runs_as_ever(cluster)


async def test_a_template_that_the_server_refuses_is_told_in_the_servers_words(cluster: World) -> None:
    async with cluster.nodes(node(cluster)), cluster.operator():
        wrong = job("wrong", ("worker", 2, CPU))
        wrong["spec"]["tasks"][0]["template"]["spec"]["containers"][0]["name"] = "Not A Name"
        await cluster.create(JOBS, wrong)
        condition = await cluster.until(lambda: cluster.condition(JOBS, "wrong", "Invalid"))
        assert "spec.containers[0].name" in condition["message"]
        assert "Not A Name" in condition["message"]
        assert not cluster.all(POD_GROUPS)
        await runs_as_ever(cluster)


async def test_a_field_that_pods_do_not_have_is_refused_and_not_dropped(cluster: World) -> None:
    async with cluster.nodes(node(cluster)), cluster.operator():
        wrong = job("wrong", ("worker", 2, CPU))
        wrong["spec"]["tasks"][0]["template"]["spec"]["restartPolitics"] = "Never"
        await cluster.create(JOBS, wrong)
        condition = await cluster.until(lambda: cluster.condition(JOBS, "wrong", "Invalid"))
        assert "restartPolitics" in condition["message"]
        await runs_as_ever(cluster)


async def test_a_job_that_is_put_right_goes_on(cluster: World) -> None:
    async with cluster.nodes(node(cluster)), cluster.operator():
        wrong = job("wrong", ("worker", 1, CPU))
        right = copy.deepcopy(wrong["spec"]["tasks"])
        wrong["spec"]["tasks"][0]["template"]["spec"]["containers"][0]["name"] = "Not A Name"
        await cluster.create(JOBS, wrong)
        await cluster.until(lambda: cluster.condition(JOBS, "wrong", "Invalid"))
        await cluster.client.patch(JOBS, "wrong", {"spec": {"tasks": right}}, cluster.namespace, into=bytes)
        await cluster.until(lambda: len(cluster.running("wrong")) == 1)
        await cluster.until(lambda: not cluster.condition(JOBS, "wrong", "Invalid"))


async def test_a_queue_that_does_not_exist_is_named(cluster: World) -> None:
    async with cluster.nodes(node(cluster)), cluster.operator():
        await cluster.create(JOBS, job("lost", ("worker", 1, CPU), queue="nowhere"))
        await cluster.until(lambda: state(cluster, "lost").get("reason") == "QueueNotFound")
        assert "nowhere" in state(cluster, "lost")["message"]
        assert await cluster.until(lambda: cluster.events("lost", "QueueNotFound"))
        await runs_as_ever(cluster)


async def test_a_closed_queue_starts_nothing_and_says_so(cluster: World) -> None:
    async with cluster.nodes(node(cluster)), cluster.operator():
        queue = await cluster.queue("closed", state="Closed")
        await cluster.until(lambda: cluster.get(QUEUES, queue).get("status", {}).get("state") == "Closed")
        await cluster.create(JOBS, job("late", ("worker", 1, CPU), queue=queue))
        await cluster.until(lambda: state(cluster, "late").get("reason") == "QueueClosed")
        await runs_as_ever(cluster)
        await cluster.client.patch(QUEUES, queue, {"spec": {"state": "Open"}}, into=bytes)
        await cluster.until(lambda: cluster.running("late"))


async def test_a_gang_larger_than_the_cluster_says_what_it_lacks(cluster: World) -> None:
    async with cluster.nodes(node(cluster, **{"nvidia.com/gpu": "8"})), cluster.operator():
        await cluster.create(JOBS, job("large", ("worker", 2, {"nvidia.com/gpu": 8})))
        await cluster.until(lambda: state(cluster, "large").get("reason") == "NeverFits")
        assert "nvidia.com/gpu: 16" in state(cluster, "large")["message"]
        assert not cluster.pods("large")
        await runs_as_ever(cluster)


async def test_a_queue_that_cannot_be_read_is_told_so_and_only_its_jobs_wait(cluster: World) -> None:
    async with cluster.nodes(node(cluster)), cluster.operator():
        queue = await cluster.queue("wrong", capability={"cpu": "a lot"})
        condition = await cluster.until(lambda: cluster.condition(QUEUES, queue, "Invalid"))
        assert condition["message"].startswith("spec.capability")
        assert "a lot" in condition["message"]
        assert await cluster.until(lambda: cluster.events(queue, "Invalid"))
        await cluster.create(JOBS, job("waits", ("worker", 1, CPU), queue=queue))
        await cluster.until(lambda: state(cluster, "waits").get("reason") == "QueueNotFound")
        await runs_as_ever(cluster)
        await cluster.client.patch(QUEUES, queue, {"spec": {"capability": {"cpu": "8"}}}, into=bytes)
        await cluster.until(lambda: cluster.running("waits"))


async def test_a_pod_group_that_cannot_be_read_keeps_its_pods_waiting(cluster: World) -> None:
    async with cluster.nodes(node(cluster)), cluster.operator():
        group = {
            "apiVersion": "aiokai.io/v1alpha1",
            "kind": "PodGroup",
            "metadata": {"name": "wrong"},
            "spec": {"minResources": {"cpu": "some"}},
        }
        await cluster.create(POD_GROUPS, group)
        condition = await cluster.until(lambda: cluster.condition(POD_GROUPS, "wrong", "Invalid"))
        assert condition["message"].startswith("spec.minResources.cpu")
        await cluster.create(PODS, lone_pod("member", annotations={"aiokai.io/pod-group": "wrong"}))
        await cluster.until(
            lambda: "minResources" in cluster.condition(PODS, "member", "PodScheduled").get("message", "")
        )
        await runs_as_ever(cluster)


async def test_a_registration_that_cannot_be_parsed_costs_only_that_nodes_cards(cluster: World) -> None:
    ask = {"nvidia.com/vgpu-memory": "1Gi"}
    good = NodeTemplate(f"{cluster.namespace}-good", cards=SharedCards(number=1))
    bad = NodeTemplate(f"{cluster.namespace}-bad", cards=SharedCards(number=1))
    async with cluster.nodes(good, bad), cluster.operator():
        change = {"metadata": {"annotations": {"volcano.sh/node-vgpu-register": "nonsense"}}}
        await cluster.client.patch(NODES, bad.name, change, into=bytes)
        await cluster.until(lambda: cluster.get(NODES, bad.name)["metadata"]["annotations"] == _one("nonsense"))
        await cluster.create(JOBS, job("shares", ("server", 2, ask)))
        pods = await cluster.until(lambda: len(p := cluster.running("shares")) == 2 and p)
        assert {pod["spec"]["nodeName"] for pod in pods} == {good.name}
        await runs_as_ever(cluster)


def _one(text: str) -> dict[str, str]:
    return {"volcano.sh/node-vgpu-register": text}


async def test_a_pod_that_would_start_without_its_gpu_is_held_and_told(cluster: World) -> None:
    """Kubelet drops requests for resources that nobody advertises; only a Job's pods are rewritten."""
    async with cluster.nodes(node(cluster)), cluster.operator():
        await cluster.create(PODS, lone_pod("alias", {"nvidia.com/vgpu-memory": "4096"}))
        condition = await cluster.until(lambda: cluster.condition(PODS, "alias", "PodScheduled"))
        assert condition["status"] == "False"
        assert "spec.containers[0].resources.limits[nvidia.com/vgpu-memory]" in condition["message"]
        await runs_as_ever(cluster)


async def test_a_constraint_that_is_not_supported_is_never_broken(cluster: World) -> None:
    async with cluster.nodes(node(cluster)), cluster.operator():
        pod = lone_pod("spread")
        pod["spec"]["topologySpreadConstraints"] = [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
        ]
        await cluster.create(PODS, pod)
        condition = await cluster.until(lambda: cluster.condition(PODS, "spread", "PodScheduled"))
        assert "topologySpreadConstraints" in condition["message"]
        await runs_as_ever(cluster)


async def test_a_gated_pod_keeps_its_condition_until_the_gate_is_gone(cluster: World) -> None:
    async with cluster.nodes(node(cluster)), cluster.operator():
        pod = lone_pod("gated")
        pod["spec"]["schedulingGates"] = [{"name": "example.com/wait"}]
        await cluster.create(PODS, pod)
        await runs_as_ever(cluster)
        assert cluster.condition(PODS, "gated", "PodScheduled").get("reason", "SchedulingGated") == "SchedulingGated"
        await cluster.client.patch(PODS, "gated", {"spec": {"schedulingGates": None}}, cluster.namespace, into=bytes)
        await cluster.until(lambda: cluster.pod_phase("gated") == "Running")


async def test_queue_default_comes_back_when_it_is_deleted(cluster: World) -> None:
    async with cluster.nodes(node(cluster)), cluster.operator():
        first = await cluster.until(lambda: cluster.get(QUEUES, "default"))
        await cluster.client.delete(QUEUES, "default")
        uid = first["metadata"]["uid"]
        await cluster.until(lambda: cluster.get(QUEUES, "default").get("metadata", {}).get("uid", uid) != uid)
        await runs_as_ever(cluster)


async def test_a_queue_that_becomes_invalid_stays_in_force_as_it_was_and_says_so(cluster: World) -> None:
    """Else what runs in it would no longer count for its parent, whose capability others would then exceed."""
    top, left, right = (f"{cluster.namespace}-{name}" for name in ("top", "left", "right"))
    gpu = {"nvidia.com/gpu": "4"}
    async with cluster.nodes(node(cluster, **{"nvidia.com/gpu": "8"})), cluster.operator():
        for name, spec in (
            (top, {"capability": gpu}),
            (left, {"parent": top, "capability": gpu}),
            (right, {"parent": top}),
        ):
            await cluster.create(QUEUES, {**QUEUE, "metadata": {"name": name}, "spec": spec})
        await cluster.create(JOBS, job("runs", ("worker", 4, {"nvidia.com/gpu": "1"}), queue=left))
        await cluster.until(lambda: len(cluster.running("runs")) == 4)
        await cluster.client.patch(QUEUES, left, {"spec": {"deserved": {"nvidia.com/gpu": "9"}}}, into=bytes)
        await cluster.until(lambda: cluster.condition(QUEUES, left, "Invalid"))
        await cluster.create(JOBS, job("waits", ("worker", 4, {"nvidia.com/gpu": "1"}), queue=right))
        await cluster.until(lambda: state(cluster, "waits").get("reason") == "QueueOverCapability")
        await cluster.client.patch(QUEUES, left, {"spec": {"deserved": None}}, into=bytes)
        await cluster.until(lambda: not cluster.condition(QUEUES, left, "Invalid"))
