"""The operator may do what it does, and nothing else: its rules against the audit log of a run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aiokai.localcluster.kubelet import NodeTemplate
from aiokai.model.resource import CONFIG_MAPS, PODS
from tests.manifests.conftest import MANIFESTS, SERVICE_ACCOUNT, Installation
from tests.support.volcano import VC_JOBS, VC_POD_GROUPS, VC_QUEUES, VolcanoWorld, volcano_world
from tests.support.world import JOBS, POD_GROUPS, QUEUES, World, job, lone_pod, world

pytestmark = [pytest.mark.slow, pytest.mark.realserver, pytest.mark.xdist_group("manifests")]

NODE = NodeTemplate("n0", {"cpu": "64", "memory": "64Gi"})

Right = tuple[str, str, str]
"""API group, resource (with its subresource), verb."""

LOST = "a create whose answer was lost"
SELDOM: dict[Right, str] = {
    ("aiokai.io", "jobs/finalizers", "update"): "an admission plugin asks for it, no request does",
    ("aiokai.io", "jobs", "get"): "a Job that may be gone, its deletion missed",
    ("", "services", "get"): LOST,
    ("networking.k8s.io", "networkpolicies", "get"): LOST,
    ("networking.k8s.io", "networkpolicies", "patch"): "one that Volcano has made, or an upgrade that makes other ones",
    ("", "pods", "get"): "a Binding whose answer was lost",
    ("", "events", "patch"): "the same Event again, a minute later",
}
"""Rights that a good day does not need, and the day that does."""
SELDOM_FOR_VOLCANO: dict[Right, str] = {
    ("batch.volcano.sh", "jobs/finalizers", "update"): "an admission plugin asks for it, no request does",
    ("batch.volcano.sh", "jobs", "get"): "a Job that may be gone, its deletion missed",
}


def granted(file: str) -> set[Right]:
    """What a manifest's roles allow."""
    rights: set[Right] = set()
    for manifest in yaml.safe_load_all((MANIFESTS / file).read_text()):
        if manifest["kind"] in ("ClusterRole", "Role"):
            for rule in manifest["rules"]:
                for group in rule["apiGroups"]:
                    rights |= {(group, resource, verb) for resource in rule["resources"] for verb in rule["verbs"]}
    return rights


def requests(installation: Installation) -> Iterator[dict[str, Any]]:
    """What the operator asked the server for."""
    for line in installation.audit_log.read_text().splitlines():
        request = json.loads(line)
        if request["user"]["username"] == SERVICE_ACCOUNT:
            yield request


def right_of(request: dict[str, Any]) -> Right:
    about = request["objectRef"]
    resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
    return about.get("apiGroup", ""), resource, request["verb"]


async def everything(cluster: World) -> None:
    """A day in which the operator does all that it can do."""
    # A gang with hosts, scaled down, its Service renewed.
    body = job("train", ("worker", 3, {"cpu": "1"}), minAvailable=1, plugins={"svc": []})
    await cluster.create(JOBS, body)
    await cluster.until(lambda: len(cluster.running("train")) == 3)
    change = {
        "tasks": [{**body["spec"]["tasks"][0], "replicas": 2}],
        "plugins": {"svc": ["--publish-not-ready-addresses=true"]},
    }
    await cluster.client.patch(JOBS, "train", {"spec": change}, cluster.namespace, into=bytes)
    await cluster.until(lambda: len(cluster.pods("train")) == 2)
    # One whose ConfigMap is somebody else's.
    await cluster.create(CONFIG_MAPS, {"metadata": {"name": "refused-svc"}, "data": {"theirs": ""}})
    await cluster.create(JOBS, job("refused", ("worker", 1, {"cpu": "1"}), plugins={"svc": []}))
    await cluster.until(lambda: cluster.condition(JOBS, "refused", "Refused"))
    # A pod that waits.
    await cluster.create(PODS, lone_pod("large", {"cpu": "900"}))
    await cluster.until(lambda: cluster.condition(PODS, "large", "PodScheduled").get("reason") == "Unschedulable")
    # One of each kind that cannot be used.
    await cluster.create(JOBS, job("wrong", ("worker", 1, {"nvidia.com/vgpu-memory": "x"})))
    await cluster.until(lambda: cluster.condition(JOBS, "wrong", "Invalid"))
    queue = await cluster.queue("wrong", capability={"cpu": "x"})
    await cluster.until(lambda: cluster.condition(QUEUES, queue, "Invalid"))
    group = {"apiVersion": "aiokai.io/v1alpha1", "kind": "PodGroup", "metadata": {"name": "wrong"}}
    await cluster.create(POD_GROUPS, {**group, "spec": {"minResources": {"cpu": "x"}}})
    await cluster.until(lambda: cluster.condition(POD_GROUPS, "wrong", "Invalid"))


async def everything_of_volcano(cluster: VolcanoWorld) -> None:
    """The same with Volcano's kinds."""
    container = {"name": "main", "image": "busybox", "resources": {"limits": {"cpu": "1"}}}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    kind = {"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "metadata": {"name": "train"}}
    task = {"name": "worker", "replicas": 2, "template": template}
    await cluster.create(VC_JOBS, {**kind, "spec": {"minAvailable": 1, "schedulerName": "volcano", "tasks": [task]}})
    await cluster.until(lambda: len(cluster.vc_running("train")) == 2)
    queue = await cluster.vc_queue("wrong", capability={"cpu": "x"})
    await cluster.until(lambda: cluster.condition(VC_QUEUES, queue, "Invalid") or cluster.events(queue, "Invalid"))
    group = {"apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup", "metadata": {"name": "wrong"}}
    await cluster.create(VC_POD_GROUPS, {**group, "spec": {"minResources": {"cpu": "x"}}})
    await cluster.until(lambda: cluster.condition(VC_POD_GROUPS, "wrong", "Invalid"))


async def test_the_operator_uses_its_rights_and_needs_no_other(installation: Installation) -> None:
    await installation.install()
    identity = await installation.service_account()
    async with world(installation.kubeconfig, "t-rbac") as cluster:
        seen_by_operator = World(cluster.client, identity, cluster.namespace)
        async with cluster.nodes(NODE), seen_by_operator.operator():
            await everything(cluster)
    compare(installation, granted("install.yaml"), SELDOM)


async def test_volcanos_kinds_take_more_rights_and_no_other(installation: Installation, tmp_path: Path) -> None:
    await installation.install()
    await installation.kubectl("apply", "-f", str(MANIFESTS / "volcano.yaml"))
    config = tmp_path / "config.yaml"
    own = {"name": "volcano", "schedulerNames": ["volcano"]}
    config.write_text(yaml.safe_dump({"dialects": [{"name": "aiokai", "schedulerNames": ["aiokai"]}, own]}))
    identity = await installation.service_account()
    async with volcano_world(installation.kubeconfig, "t-rbac") as cluster:
        seen_by_operator = World(cluster.client, identity, cluster.namespace)
        async with cluster.nodes(NODE), seen_by_operator.operator(config):
            await everything_of_volcano(cluster)
    rights = {right for right in granted("volcano.yaml") | granted("install.yaml") if "volcano" in right[0]}
    compare(installation, rights, SELDOM_FOR_VOLCANO)


def compare(installation: Installation, rights: set[Right], seldom: dict[Right, str]) -> None:
    """All that was asked was granted, and all that is granted was asked."""
    asked = [request for request in requests(installation) if "objectRef" in request]
    refused = {right_of(it) for it in asked if it.get("responseStatus", {}).get("code") == 403}
    assert not refused, "missing in manifests/chart/templates"
    used = {right_of(request) for request in asked}
    assert rights - used - set(seldom) == set(), "not needed in manifests/chart/templates"
    assert set(seldom) <= rights, "gone from manifests/chart/templates"
