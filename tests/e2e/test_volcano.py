"""Volcano's own manifests, run as they are; and a running Volcano that is left alone."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aiokai.cli.files import shipped
from aiokai.devices.vgpu import parse_grants
from aiokai.errors import NotFoundError
from aiokai.localcluster.deviceplugin import SharedCards
from aiokai.localcluster.kubelet import NodeTemplate
from aiokai.model.resource import CONFIG_MAPS, CUSTOM_RESOURCES, PODS
from tests.support.volcano import (
    CRDS,
    VC_JOBS,
    VC_KINDS,
    VC_POD_GROUPS,
    VC_QUEUES,
    VolcanoWorld,
    install_volcano_crds,
    is_served,
    volcano_world,
)
from tests.support.world import EVENTS, WAIT_S, World, lone_pod, world

pytestmark = pytest.mark.slow

NATIVE = {"name": "aiokai", "schedulerNames": ["aiokai"]}
OWN = {"name": "volcano", "schedulerNames": ["volcano"], "mode": "own"}
READ = {"name": "volcano", "mode": "read"}
BESIDE = {"name": "volcano", "schedulerNames": ["aiokai-volcano"], "mode": "own"}
GPU = {"nvidia.com/gpu": 3}


@pytest.fixture
async def volcano(kubeconfig: Path) -> AsyncIterator[VolcanoWorld]:
    async with volcano_world(kubeconfig, f"t-{uuid.uuid4().hex[:8]}") as made:
        yield made


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return config(tmp_path, OWN)


def config(folder: Path, *dialects: dict[str, Any]) -> Path:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"dialects": [NATIVE, *dialects]}))
    return path


def example(name: str) -> dict[str, Any]:
    found = yaml.safe_load((shipped("examples") / "volcano" / f"{name}.yaml").read_text(encoding="utf-8"))
    return dict(found)


def whole(cluster: World, *counts: int) -> list[NodeTemplate]:
    return [NodeTemplate(f"{cluster.namespace}-gpu-{i}", {"nvidia.com/gpu": str(n)}) for i, n in enumerate(counts)]


def vcjob(name: str, replicas: int, limits: dict[str, Any], **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "busybox", "resources": {"limits": limits}}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    task = {"name": "worker", "replicas": replicas, "template": template}
    return {
        "apiVersion": "batch.volcano.sh/v1alpha1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"tasks": [task], **spec},
    }


def group_condition(cluster: World, job: str) -> dict[str, Any]:
    groups = [it for it in cluster.all(VC_POD_GROUPS) if it["metadata"]["name"].startswith(f"{job}-")]
    conditions = [c for it in groups for c in it.get("status", {}).get("conditions", [])]
    return conditions[0] if conditions else {}


# In Volcano's place


async def test_four_model_servers_share_one_card(volcano: VolcanoWorld, own: Path) -> None:
    """S1."""
    node = NodeTemplate(f"{volcano.namespace}-vgpu", cards=SharedCards(number=8))
    async with volcano.nodes(node), volcano.operator(own):
        await volcano.create(VC_JOBS, example("inference"))
        pods = await volcano.until(lambda: len(p := volcano.vc_running("inference")) == 4 and p)
        grants = [parse_grants(pod["metadata"]["annotations"])[0] for pod in pods]
        assert {(grant.memory, grant.cores) for grant in grants} == {(4096, 25)}
        assert len({grant.uuid for grant in grants}) == 1
        await volcano.until(lambda: volcano.vc_state("inference").get("phase") == "Running")


async def test_a_gang_runs_whole_with_hosts_and_environment(volcano: VolcanoWorld, own: Path) -> None:
    """S2."""
    async with volcano.nodes(*whole(volcano, 8, 8)), volcano.operator(own):
        await volcano.create(VC_JOBS, example("training"))
        pods = await volcano.until(lambda: len(p := volcano.vc_running("training")) == 4 and p)
        container = pods[1]["spec"]["containers"][0]
        variables = {v["name"]: v.get("value") for v in container["env"]}
        assert variables["VK_TASK_INDEX"] == variables["VC_TASK_INDEX"] == "0"
        assert "VC_MASTER_HOSTS" in variables
        assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/etc/volcano"}
        hosts = await volcano.client.get(CONFIG_MAPS, "training-svc", volcano.namespace, into=dict)
        assert hosts["data"]["master.host"] == "training-master-0.training\n"

        job = await volcano.until(lambda: volcano.vc_state("training").get("phase") == "Running" and job_of(volcano))
        assert [c["status"] for c in job["status"]["conditions"]] == ["Pending", "Running"]
        assert all("lastTransitionTime" in c for c in job["status"]["conditions"])
        condition = await volcano.until(lambda: group_condition(volcano, "training"))
        assert (condition["type"], condition["reason"]) == ("Scheduled", "tasks in gang are ready to be scheduled")


def job_of(cluster: World) -> dict[str, Any]:
    return cluster.get(VC_JOBS, "training")


async def test_of_two_gangs_that_fit_alone_one_runs_and_the_other_has_no_pods(volcano: VolcanoWorld, own: Path) -> None:
    async with volcano.nodes(*whole(volcano, 8, 8)), volcano.operator(own):
        await volcano.create(VC_JOBS, vcjob("first", 4, GPU))
        await volcano.until(lambda: len(volcano.vc_running("first")) == 4)
        await volcano.create(VC_JOBS, vcjob("second", 4, GPU))
        condition = await volcano.until(lambda: group_condition(volcano, "second"))
        assert (condition["type"], condition["status"]) == ("Unschedulable", "True")
        assert not volcano.vc_pods("second")
        await volcano.client.delete(VC_JOBS, "first", volcano.namespace, propagation="Background")
        await volcano.until(lambda: len(volcano.vc_running("second")) == 4)


async def test_a_queue_of_volcano_is_never_exceeded_and_shows_its_numbers(volcano: VolcanoWorld, own: Path) -> None:
    async with volcano.nodes(*whole(volcano, 8)), volcano.operator(own):
        queue = await volcano.vc_queue("research", capability={"nvidia.com/gpu": 4}, reclaimable=True)
        await volcano.create(VC_JOBS, vcjob("fits", 1, GPU, queue=queue))
        await volcano.create(VC_JOBS, vcjob("waits", 1, GPU, queue=queue))
        await volcano.until(lambda: len(volcano.vc_running("fits") + volcano.vc_running("waits")) == 1)
        seen = await volcano.until(lambda: allocated(volcano, queue) == "3" and volcano.get(VC_QUEUES, queue))
        assert seen["status"]["state"] == "Open"
        assert (seen["status"]["running"], seen["status"]["pending"]) == (1, 1)


def allocated(cluster: World, queue: str) -> str:
    return str(cluster.get(VC_QUEUES, queue).get("status", {}).get("allocated", {}).get("nvidia.com/gpu", ""))


async def test_fields_without_effect_are_named_and_the_job_runs(volcano: VolcanoWorld, own: Path) -> None:
    async with volcano.nodes(*whole(volcano, 8)), volcano.operator(own):
        policies = [{"event": "PodEvicted", "action": "RestartJob"}]
        await volcano.create(VC_JOBS, vcjob("restarts", 2, GPU, policies=policies))
        await volcano.until(lambda: len(volcano.vc_running("restarts")) == 2)
        (event,) = await volcano.until(lambda: volcano.events("restarts", "FieldsWithoutEffect"))
        assert "spec.policies" in event["message"]


async def test_a_promise_that_cannot_be_kept_is_refused(volcano: VolcanoWorld, own: Path) -> None:
    async with volcano.nodes(*whole(volcano, 8)), volcano.operator(own):
        hard = vcjob("rack", 2, GPU, networkTopology={"mode": "hard", "highestTierAllowed": 1})
        await volcano.create(VC_JOBS, hard)
        state = await volcano.until(
            lambda: volcano.vc_state("rack").get("reason") == "Invalid" and volcano.vc_state("rack")
        )
        assert state["message"].startswith("spec.networkTopology: ")
        assert not volcano.vc_pods("rack")
        group = {
            "apiVersion": "scheduling.volcano.sh/v1beta1",
            "kind": "PodGroup",
            "metadata": {"name": "rack"},
            "spec": hard["spec"],
        }
        await volcano.create(VC_POD_GROUPS, group)
        condition = await volcano.until(lambda: volcano.condition(VC_POD_GROUPS, "rack", "Invalid"))
        assert condition["message"].startswith("spec.networkTopology: ")


async def test_a_pod_group_of_an_operator_gathers_its_pods(volcano: VolcanoWorld, own: Path) -> None:
    """As Spark's or Kubeflow's make them: a PodGroup, and pods that name it and Volcano's scheduler."""
    group = {
        "apiVersion": "scheduling.volcano.sh/v1beta1",
        "kind": "PodGroup",
        "metadata": {"name": "spark"},
        "spec": {"minMember": 2, "minResources": {"nvidia.com/gpu": 6}},
    }
    async with volcano.nodes(*whole(volcano, 8)), volcano.operator(own):
        await volcano.create(VC_POD_GROUPS, group)
        await volcano.until(lambda: phase_of(volcano, "spark") == "Inqueue")
        for name in ("driver", "executor"):
            await volcano.create(PODS, vc_pod(name, "volcano", group="spark"))
            if name == "driver":
                assert volcano.pod_phase("driver") in ("", "Pending")
        await volcano.until(lambda: [volcano.pod_phase(it) for it in ("driver", "executor")] == ["Running"] * 2)
        await volcano.until(lambda: phase_of(volcano, "spark") == "Running")
        await volcano.create(PODS, vc_pod("alone", "volcano", limits={"cpu": "1"}))
        await volcano.until(lambda: volcano.pod_phase("alone") == "Running")


def phase_of(cluster: World, group: str) -> str:
    return str(cluster.get(VC_POD_GROUPS, group).get("status", {}).get("phase", ""))


def vc_pod(name: str, scheduler: str, *, group: str = "", limits: dict[str, Any] | None = None) -> dict[str, Any]:
    annotations = {"scheduling.k8s.io/group-name": group} if group else {}
    pod = lone_pod(name, limits or GPU, annotations=annotations)
    pod["spec"]["schedulerName"] = scheduler
    return pod


async def test_a_volcano_schedulers_configuration_is_used(volcano: VolcanoWorld, tmp_path: Path) -> None:
    """S12, with the dialect beside it: binpack fills one node where the default of nodeorder would use both."""
    path = tmp_path / "volcano-scheduler.conf"
    plugins = [{"name": "gang"}, {"name": "binpack", "arguments": {"binpack.resources": "nvidia.com/gpu"}}]
    conf = {"actions": "enqueue, allocate, backfill", "tiers": [{"plugins": plugins}], "dialects": [NATIVE, OWN]}
    path.write_text(yaml.safe_dump(conf))
    async with volcano.nodes(*whole(volcano, 8, 8)), volcano.operator(path):
        await volcano.create(VC_JOBS, vcjob("packed", 4, {"nvidia.com/gpu": 2}))
        pods = await volcano.until(lambda: len(p := volcano.vc_running("packed")) == 4 and p)
        assert len({pod["spec"]["nodeName"] for pod in pods}) == 1


async def test_kinds_that_appear_later_are_taken_up(kubeconfig: Path, tmp_path: Path) -> None:
    async with world(kubeconfig, f"t-{uuid.uuid4().hex[:8]}") as cluster:
        for definition in yaml.safe_load_all(CRDS.read_text(encoding="utf-8")):
            try:
                await cluster.client.delete(CUSTOM_RESOURCES, definition["metadata"]["name"])
            except NotFoundError:
                continue
        async with asyncio.timeout(WAIT_S):
            while await any_served(cluster):  # noqa: ASYNC110 - discovery has no watch
                await asyncio.sleep(0.05)
        async with cluster.nodes(*whole(cluster, 8)), cluster.operator(config(tmp_path, OWN)):
            await cluster.create(PODS, lone_pod("native"))
            await cluster.until(lambda: cluster.pod_phase("native") == "Running")
            await install_volcano_crds(cluster.client)
            await cluster.create(VC_JOBS, vcjob("late", 2, GPU))
            await cluster.until(lambda: len([p for p in cluster.all(PODS) if p["status"]["phase"] == "Running"]) == 3)
            await cluster.client.delete(VC_JOBS, "late", cluster.namespace, propagation="Background")


async def any_served(cluster: World) -> bool:
    return any([await is_served(cluster.client, kind) for kind in VC_KINDS])


# Beside a running Volcano


@pytest.mark.parametrize("dialects", [(), (READ,), (BESIDE,)], ids=["absent", "read", "beside"])
async def test_a_running_volcano_is_left_alone(
    volcano: VolcanoWorld, tmp_path: Path, dialects: tuple[dict[str, Any], ...]
) -> None:
    """What stands for Volcano's objects here is never written to: every resourceVersion stays what we made it."""
    async with volcano.nodes(*whole(volcano, 8)):
        queue = await volcano.vc_queue("theirs", capability={"nvidia.com/gpu": 4})
        made = [volcano.get(VC_QUEUES, queue) or await volcano.client.get(VC_QUEUES, queue, into=dict)]
        made.append(await volcano.create(VC_JOBS, vcjob("theirs", 2, GPU, queue=queue)))
        owner = {
            "apiVersion": "batch.volcano.sh/v1alpha1",
            "kind": "Job",
            "name": "theirs",
            "uid": made[-1]["metadata"]["uid"],
            "controller": True,
        }
        for name, owners in (("theirs-of-job", [owner]), ("theirs-bare", []), ("theirs-with-pod", [])):
            group = {
                "apiVersion": "scheduling.volcano.sh/v1beta1",
                "kind": "PodGroup",
                "metadata": {"name": name, "ownerReferences": owners},
                "spec": {"minMember": 1, "queue": queue, "minResources": {"nvidia.com/gpu": 1}},
            }
            made.append(await volcano.create(VC_POD_GROUPS, group))
        bad = {**group, "metadata": {"name": "theirs-hard"}, "spec": {"networkTopology": {"mode": "hard"}}}
        made.append(await volcano.create(VC_POD_GROUPS, bad))
        made.append(await volcano.create(PODS, vc_pod("theirs", "volcano", group="theirs-with-pod")))
        async with volcano.operator(config(tmp_path, *dialects)):
            await volcano.create(PODS, lone_pod("ours", {"nvidia.com/gpu": "2"}))
            await volcano.until(lambda: volcano.pod_phase("ours") == "Running")
            if dialects == (BESIDE,):
                await volcano.create(VC_JOBS, vcjob("ours", 2, GPU, schedulerName="aiokai-volcano"))
                await volcano.until(lambda: len(volcano.vc_running("ours")) == 2)
        for before in made:
            resource = PODS if before["kind"] == "Pod" else next(k for k in VC_KINDS if kind_of(before) == k.plural)
            namespace = volcano.namespace if resource.namespaced else ""
            after = await volcano.client.get(resource, before["metadata"]["name"], namespace, into=dict)
            assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"], after
        about = [event["involvedObject"]["name"] for event in volcano.all(EVENTS) if "aiokai" in str(event["source"])]
        assert not [name for name in about if name.startswith("theirs")]
        assert not volcano.vc_pods("theirs")


def kind_of(body: dict[str, Any]) -> str:
    return f"{body['kind'].lower()}s"
