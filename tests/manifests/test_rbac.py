"""The operator may do what it does, and nothing else: its rules against the audit log of a run."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from aiokai.client.resource import CONFIG_MAPS, PODS
from aiokai.localcluster.kubelet import NodeTemplate
from tests.manifests.conftest import MANIFESTS, SERVICE_ACCOUNT, Installation
from tests.support.world import JOBS, POD_GROUPS, QUEUES, World, job, lone_pod, world

pytestmark = [pytest.mark.slow, pytest.mark.realserver, pytest.mark.xdist_group("manifests")]

Right = tuple[str, str, str]
"""API group, resource (with its subresource), verb."""

SELDOM: dict[Right, str] = {
    ("aiokai.io", "jobs/finalizers", "update"): "an admission plugin asks for it, no request does",
    ("aiokai.io", "jobs", "get"): "a Job that may be gone, its deletion missed",
    ("", "services", "get"): "a create whose answer was lost",
    ("networking.k8s.io", "networkpolicies", "get"): "a create whose answer was lost",
    ("networking.k8s.io", "networkpolicies", "patch"): "an upgrade that makes other ones",
    ("", "pods", "get"): "a Binding whose answer was lost",
    ("", "events", "patch"): "the same Event again, a minute later",
}
"""Rights that a good day does not need, and the day that does."""


def granted() -> set[Right]:
    """What the manifest's roles allow."""
    rights: set[Right] = set()
    for manifest in yaml.safe_load_all((MANIFESTS / "install.yaml").read_text()):
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


async def test_the_operator_uses_its_rights_and_needs_no_other(installation: Installation) -> None:
    await installation.install()
    identity = await installation.service_account()
    async with world(installation.kubeconfig, "t-rbac") as cluster:
        seen_by_operator = World(cluster.client, identity, cluster.namespace)
        node = NodeTemplate("n0", {"cpu": "64", "memory": "64Gi"})
        async with cluster.nodes(node), seen_by_operator.operator():
            await everything(cluster)
    asked = [request for request in requests(installation) if "objectRef" in request]
    refused = {right_of(it) for it in asked if it.get("responseStatus", {}).get("code") == 403}
    assert not refused, "missing in manifests/chart/templates/rbac.yaml"
    used = {right_of(request) for request in asked}
    assert granted() - used - set(SELDOM) == set(), "not needed in manifests/chart/templates/rbac.yaml"
    assert set(SELDOM) <= granted(), "gone from manifests/chart/templates/rbac.yaml"
