"""From a manifest to running pods: shares of a card (S1) and gangs (S2)."""

from typing import Any

import pytest

from aiokai.cli.files import documents, shipped
from aiokai.devices.vgpu import ALLOCATED, BIND_PHASE, TO_ALLOCATE, parse_grants
from aiokai.localcluster.deviceplugin import STARTED_DEVICES, SharedCards
from aiokai.localcluster.kubelet import NodeTemplate
from aiokai.model.resource import CONFIG_MAPS, PODS, SERVICES
from tests.support.world import JOBS, POD_GROUPS, World, job, lone_pod

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

QUARTER = {"nvidia.com/vgpu-memory": "4Gi", "nvidia.com/vgpu-cores": "25"}


def whole(cluster: World, *counts: int) -> list[NodeTemplate]:
    """Nodes that count whole GPUs, of this test's own."""
    return [NodeTemplate(f"{cluster.namespace}-gpu-{i}", {"nvidia.com/gpu": str(n)}) for i, n in enumerate(counts)]


def shared(cluster: World, *, number: int = 8) -> NodeTemplate:
    return NodeTemplate(f"{cluster.namespace}-vgpu", cards=SharedCards(number=number))


def annotations(pod: dict[str, Any]) -> dict[str, str]:
    return dict(pod["metadata"].get("annotations", {}))


def cards(pods: list[dict[str, Any]]) -> list[str]:
    """The card of each pod."""
    return [parse_grants(annotations(pod))[0].uuid for pod in pods]


def started_right(pods: list[dict[str, Any]]) -> bool:
    """Whether the plugin has spoken on every pod, and each started with what it was given."""
    told = [annotations(pod) for pod in pods]
    if any(it.get(BIND_PHASE) != "success" or STARTED_DEVICES not in it for it in told):
        return False
    assert [it[STARTED_DEVICES] for it in told] == [it[ALLOCATED] for it in told]
    return True


async def test_a_lone_pod_is_a_gang_of_one(cluster: World) -> None:
    async with cluster.nodes(*whole(cluster, 8)), cluster.operator():
        await cluster.create(PODS, lone_pod("alone"))
        await cluster.until(lambda: cluster.pod_phase("alone") == "Running")
        assert cluster.get(PODS, "alone")["spec"]["nodeName"] == f"{cluster.namespace}-gpu-0"
        assert cluster.all(POD_GROUPS) == []
        assert cluster.events("alone", "Scheduled") == []


async def test_four_model_servers_share_one_card(cluster: World) -> None:
    async with cluster.nodes(shared(cluster)), cluster.operator():
        await cluster.create(JOBS, job("inference", ("server", 4, QUARTER)))
        pods = await cluster.until(lambda: len(p := cluster.running("inference")) == 4 and p)
        assert len(set(cards(pods))) == 1
        for pod in pods:
            (grant,) = parse_grants(annotations(pod))
            assert (grant.memory, grant.cores) == (4096, 25)
            assert annotations(pod)["volcano.sh/vgpu-node"] == f"{cluster.namespace}-vgpu"
            assert TO_ALLOCATE in annotations(pod)
        await cluster.until(lambda: started_right(cluster.pods("inference")))
        await cluster.until(lambda: cluster.phase("inference") == "Running")


async def test_a_half_share_needs_two_cards_for_four(cluster: World) -> None:
    half = {**QUARTER, "nvidia.com/vgpu-cores": "50"}
    async with cluster.nodes(shared(cluster)), cluster.operator():
        await cluster.create(JOBS, job("inference", ("server", 4, half)))
        pods = await cluster.until(lambda: len(p := cluster.running("inference")) == 4 and p)
        assert len(set(cards(pods))) == 2
        await cluster.until(lambda: started_right(cluster.pods("inference")))


async def test_pods_that_the_plugin_could_confuse_never_start_with_each_others_cards(cluster: World) -> None:
    asks = [(f"t{i}", 1, {"nvidia.com/vgpu-memory": f"{i + 1}Gi", "nvidia.com/vgpu-cores": "60"}) for i in range(4)]
    async with cluster.nodes(shared(cluster, number=4)), cluster.operator():
        await cluster.create(JOBS, job("mixed", *asks))
        pods = await cluster.until(lambda: len(p := cluster.running("mixed")) == 4 and p)
        assert len(set(cards(pods))) == 4
        await cluster.until(lambda: started_right(cluster.pods("mixed")))


async def test_a_new_operator_reads_back_which_card_is_whose(cluster: World) -> None:
    most = {**QUARTER, "nvidia.com/vgpu-cores": "60"}
    async with cluster.nodes(shared(cluster, number=2)):
        async with cluster.operator():
            await cluster.create(JOBS, job("before", ("server", 1, most)))
            await cluster.until(lambda: cluster.running("before"))
        async with cluster.operator():
            await cluster.create(JOBS, job("after", ("server", 1, most)))
            await cluster.until(lambda: cluster.running("after"))
            assert len(set(cards(cluster.running("before") + cluster.running("after")))) == 2
            await cluster.create(JOBS, job("too-many", ("server", 1, most)))
            await cluster.until(lambda: cluster.get(JOBS, "too-many").get("status", {}).get("state", {}).get("message"))
            assert not cluster.running("too-many")


async def test_a_gang_runs_whole_with_hosts_and_environment(cluster: World) -> None:
    gpu = {"nvidia.com/gpu": 3}
    training = job("train", ("master", 1, gpu), ("worker", 3, gpu), minAvailable=4, plugins={"env": [], "svc": []})
    async with cluster.nodes(*whole(cluster, 8, 8)), cluster.operator():
        await cluster.create(JOBS, training)
        pods = await cluster.until(lambda: len(p := cluster.running("train")) == 4 and p)
        variables = {v["name"]: v["value"] for v in pods[1]["spec"]["containers"][0]["env"] if "value" in v}
        assert variables["VC_TASK_INDEX"] == "0"
        for resource in (SERVICES, CONFIG_MAPS):
            found = [page async for page in cluster.client.list_pages(resource, cluster.namespace, into=dict)]
            assert any(it["metadata"]["name"].startswith("train") for page in found for it in page.items)
        await cluster.until(lambda: cluster.phase("train") == "Running")
        events = await cluster.until(lambda: cluster.events("train", "Scheduled"))
        assert len(events) == 1, [event["message"] for event in events]
        (event,) = events
        assert event["message"].startswith("bound 4 pods: 2 on ")


async def test_of_two_gangs_that_fit_alone_one_runs_and_then_the_other(cluster: World) -> None:
    """Each needs 12 of 16 GPUs. Neither may ever hold a part of what it needs, nor have pods that only wait."""
    gpu = {"nvidia.com/gpu": 3}
    together = False

    def look() -> None:
        nonlocal together
        together |= bool(active(cluster, "a") and active(cluster, "b"))

    cluster.history.append(look)
    async with cluster.nodes(*whole(cluster, 8, 8)), cluster.operator():
        for name in ("a", "b"):
            await cluster.create(JOBS, job(name, ("worker", 4, gpu), run_for="1s"))
        await cluster.until(lambda: {cluster.phase("a"), cluster.phase("b")} == {"Completed"})
        assert not together


async def test_more_gangs_than_fit_all_get_their_turn(cluster: World) -> None:
    gpu = {"nvidia.com/gpu": 2}
    async with cluster.nodes(*whole(cluster, 8)), cluster.operator():
        for i in range(6):
            await cluster.create(JOBS, job(f"j{i}", ("worker", 3, gpu), run_for="300ms"))
        await cluster.until(lambda: all(cluster.phase(f"j{i}") == "Completed" for i in range(6)))


async def test_a_deleted_job_takes_everything_with_it(cluster: World) -> None:
    async with cluster.nodes(*whole(cluster, 8)), cluster.operator():
        await cluster.create(JOBS, job("gone", ("worker", 2, {"nvidia.com/gpu": 1}), plugins={"svc": []}))
        await cluster.until(lambda: len(cluster.running("gone")) == 2)
        await cluster.client.delete(JOBS, "gone", cluster.namespace, propagation="Background")
        await cluster.until(lambda: not cluster.all(PODS) and not cluster.all(POD_GROUPS))


async def test_a_job_can_be_scaled_up_and_down(cluster: World) -> None:
    async with cluster.nodes(*whole(cluster, 8)), cluster.operator():
        body = job("scaled", ("worker", 2, {"nvidia.com/gpu": 1}), minAvailable=1)
        await cluster.create(JOBS, body)
        await cluster.until(lambda: len(cluster.running("scaled")) == 2)
        for replicas in (4, 1):
            task = {**body["spec"]["tasks"][0], "replicas": replicas}
            await cluster.client.patch(JOBS, "scaled", {"spec": {"tasks": [task]}}, cluster.namespace, into=bytes)
            await cluster.until(lambda n=replicas: len(cluster.pods("scaled")) == len(cluster.running("scaled")) == n)


async def test_the_quickstart_ends_as_it_says(cluster: World) -> None:
    nodes = [*whole(cluster, 8, 8), shared(cluster)]
    async with cluster.nodes(*nodes), cluster.operator():
        for manifest in documents(shipped("examples") / "quickstart"):
            if manifest["kind"] == "Queue":
                await cluster.queue(manifest["metadata"]["name"], **manifest["spec"])
                continue
            manifest["spec"]["queue"] += f"-{cluster.namespace}"
            for task in manifest["spec"]["tasks"]:
                task["template"]["metadata"]["annotations"]["aiokai.io/run-for"] = "500ms"
            await cluster.create(JOBS, manifest)
        names = ("inference", "train-a", "train-b")
        await cluster.until(lambda: all(cluster.phase(name) == "Completed" for name in names))
        state = cluster.get(JOBS, "too-large")["status"]["state"]
        assert (state["phase"], state["reason"]) == ("Pending", "NeverFits")
        assert not cluster.pods("too-large")


def active(cluster: World, name: str) -> list[dict[str, Any]]:
    return [pod for pod in cluster.pods(name) if pod["status"].get("phase") not in ("Succeeded", "Failed")]
