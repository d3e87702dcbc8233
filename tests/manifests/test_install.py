"""One `kubectl apply` installs aiokai, and removing it strands nobody."""

import asyncio
import json
from typing import Any

import pytest

from aiokai.localcluster.kubelet import NodeTemplate
from aiokai.model.resource import PODS
from tests.manifests.conftest import MANIFESTS, Installation
from tests.support.world import JOBS, World, job, lone_pod, world

pytestmark = [pytest.mark.slow, pytest.mark.realserver, pytest.mark.xdist_group("manifests")]

INSTALL = str(MANIFESTS / "install.yaml")
NODE = NodeTemplate("n0", {"cpu": "64", "memory": "64Gi", "nvidia.com/gpu": "8"})
WAIT_S = 30.0


async def found(installation: Installation, *words: str) -> list[dict[str, Any]]:
    return list(json.loads(await installation.kubectl("get", *words, "-o", "json"))["items"])


async def test_what_was_applied_is_admitted_whole(installation: Installation) -> None:
    await installation.install()
    await installation.kubectl("wait", "--for=condition=Established", "crd/jobs.aiokai.io", "--timeout=30s")
    for short in ("aj", "aq", "apg"):
        await installation.kubectl("get", short, "-A")
    # The namespace takes restricted pods only, and the quota those of high priority: the operator's is one of them.
    async with asyncio.timeout(WAIT_S):
        while not (pods := await found(installation, "-n", "aiokai-system", "pods")):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.2)
    assert pods[0]["spec"]["priority"] == 2_000_000_000
    assert await installation.kubectl("diff", "-f", INSTALL) == ""


async def one_of_each(cluster: World) -> None:
    """A Job with a gang, and a pod of its own, running."""
    await cluster.create(JOBS, job("train", ("worker", 2, {"nvidia.com/gpu": 1}), plugins={"svc": []}))
    await cluster.create(PODS, lone_pod("alone"))
    await cluster.until(lambda: len(cluster.running("train")) == 2 and cluster.pod_phase("alone") == "Running")


def everything_running(cluster: World) -> dict[str, str]:
    """Name and uid of each pod, if none was touched."""
    pods = cluster.all(PODS)
    assert all(pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"] for pod in pods)
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}


async def test_without_the_operator_all_goes_on_and_a_new_one_takes_over(installation: Installation) -> None:
    """`kubectl delete -l` leaves the kinds alone, and with them every Job and its pods."""
    await installation.install()
    async with world(installation.kubeconfig, "t-remove") as cluster, cluster.nodes(NODE):
        identity = World(cluster.client, await installation.service_account(), cluster.namespace)
        async with identity.operator():
            await one_of_each(cluster)
        before = everything_running(cluster)
        await installation.kubectl("delete", "-f", INSTALL, "-l", "app.kubernetes.io/name=aiokai", "--timeout=30s")
        assert not await found(installation, "clusterroles,clusterrolebindings", "-l", "app.kubernetes.io/name=aiokai")
        assert everything_running(cluster) == before
        await cluster.client.delete(JOBS, "train", cluster.namespace, propagation="Orphan")
        await cluster.until(lambda: not cluster.all(JOBS))
        assert everything_running(cluster) == before
        await installation.install()
        new_identity = World(cluster.client, await installation.service_account(), cluster.namespace)
        async with new_identity.operator():
            await cluster.create(PODS, lone_pod("later"))
            await cluster.until(lambda: cluster.pod_phase("later") == "Running")
            assert everything_running(cluster).items() >= before.items()


async def test_removed_with_its_kinds_it_leaves_nothing_that_cannot_go(installation: Installation) -> None:
    """Jobs go with their kind, and their pods with them, as Kubernetes has it; pods of nobody's run on."""
    await installation.install()
    async with world(installation.kubeconfig, "t-gone") as cluster, cluster.nodes(NODE):
        identity = World(cluster.client, await installation.service_account(), cluster.namespace)
        async with identity.operator():
            await one_of_each(cluster)
        alone = cluster.get(PODS, "alone")["metadata"]["uid"]
        await installation.kubectl("delete", "-f", INSTALL, "--timeout=60s")
        crds = await found(installation, "crds")
        assert not [crd for crd in crds if crd["spec"]["group"] == "aiokai.io"]
        pod = cluster.get(PODS, "alone")
        assert (pod["metadata"]["uid"], pod["status"]["phase"]) == (alone, "Running")
        await installation.kubectl("delete", "namespace", cluster.namespace, "--timeout=60s")
