"""The scale subresource: the number of replicas, for whoever does not know the kind."""

import asyncio
from typing import Any

import pytest

from tests.contract.server import DEFINITIONS, JSON_PATCH, MERGE, STRATEGIC, WAIT_S, Server, pod, widget_definition

SELECTOR = {
    "matchLabels": {"app": "web"},
    "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}],
}


async def workload(server: Server, plural: str = "deployments", **spec: Any) -> str:
    """A workload of 2 replicas; its path."""
    template = {"metadata": {"labels": {"app": "web", "tier": "a"}}, "spec": pod()["spec"]}
    path = f"/apis/apps/v1/namespaces/{server.namespace}/{plural}"
    wanted = {"replicas": 2, "selector": SELECTOR, "template": template, **spec}
    (await server.post(path, {"metadata": {"name": "web"}, "spec": wanted})).ok(201)
    return f"{path}/web"


@pytest.mark.parametrize("plural", ["deployments", "replicasets", "statefulsets"])
async def test_a_scale_shows_replicas_wanted_and_there(server: Server, plural: str) -> None:
    path = await workload(server, plural)
    (await server.patch(f"{path}/status", {"status": {"replicas": 1}})).ok()
    owner = (await server.get(path)).ok()["metadata"]
    scale = (await server.get(f"{path}/scale")).ok()
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    assert scale["metadata"] == {name: owner[name] for name in names}
    assert scale["spec"] == {"replicas": 2}
    assert scale["status"] == {"replicas": 1, "selector": "app=web,tier in (a,b)"}


async def test_a_scale_is_replaced(server: Server) -> None:
    path = await workload(server)
    scale = (await server.get(f"{path}/scale")).ok()
    changed = (await server.put(f"{path}/scale", {**scale, "spec": {"replicas": 5}})).ok()
    assert (changed["kind"], changed["spec"]) == ("Scale", {"replicas": 5})
    owner = (await server.get(path)).ok()
    assert (owner["spec"]["replicas"], owner["metadata"]["generation"]) == (5, 2)
    assert owner["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"]
    (await server.put(f"{path}/scale", {**scale, "spec": {"replicas": 6}})).refused(409, "Conflict")


async def test_a_scale_without_a_version_overwrites(server: Server) -> None:
    path = await workload(server)
    body = {"metadata": {"name": "web", "namespace": server.namespace}, "spec": {"replicas": 7}}
    assert (await server.put(f"{path}/scale", body)).ok()["spec"] == {"replicas": 7}


@pytest.mark.parametrize("media", [MERGE, STRATEGIC, JSON_PATCH])
async def test_a_scale_is_patched(server: Server, media: str) -> None:
    path = await workload(server)
    steps = [{"op": "replace", "path": "/spec/replicas", "value": 0}]
    body = steps if media == JSON_PATCH else {"spec": {"replicas": 0}}
    assert (await server.patch(f"{path}/scale", body, media)).ok()["spec"] == {}
    assert (await server.get(path)).ok()["spec"]["replicas"] == 0


async def test_a_scale_is_tried(server: Server) -> None:
    path = await workload(server)
    assert (await server.patch(f"{path}/scale", {"spec": {"replicas": 3}}, dryRun="All")).ok()["spec"]["replicas"] == 3
    assert (await server.get(path)).ok()["spec"]["replicas"] == 2


async def test_less_than_nothing_is_refused(server: Server) -> None:
    path = await workload(server)
    refusal = (await server.patch(f"{path}/scale", {"spec": {"replicas": -1}})).refused(422, "Invalid")
    assert refusal["details"]["causes"][0]["field"] == "spec.replicas"


async def test_what_is_not_there_or_has_no_replicas_has_no_scale(server: Server) -> None:
    path = f"/apis/apps/v1/namespaces/{server.namespace}"
    (await server.get(f"{path}/deployments/absent/scale")).refused(404, "NotFound")
    assert (await server.get(f"{path}/daemonsets/absent/scale")).status == 404


async def test_kubectl_scales(server: Server) -> None:
    path = await workload(server)
    assert await server.kubectl("scale", "deployment/web", "--replicas=4") == "deployment.apps/web scaled\n"
    assert (await server.get(path)).ok()["spec"]["replicas"] == 4
    words = ("scale", "deployment/web", "--replicas=5", "--current-replicas=3")
    assert "Expected replicas to be 3, was 4" in await server.kubectl(*words, succeeds=False)
    await server.kubectl("scale", "deployment/web", "--replicas=5", "--current-replicas=4")
    assert (await server.get(path)).ok()["spec"]["replicas"] == 5


def scaled_definition(group: str) -> dict[str, Any]:
    definition = widget_definition(group)
    version = definition["spec"]["versions"][0]
    status = {"replicas": {"type": "integer"}, "selector": {"type": "string"}}
    properties = {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}
    properties["status"] = {"type": "object", "properties": status}
    version["schema"] = {"openAPIV3Schema": {"type": "object", "properties": properties}}
    paths = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.replicas"}
    version["subresources"] = {"status": {}, "scale": {**paths, "labelSelectorPath": ".status.selector"}}
    return definition


async def test_a_defined_kind_says_where_its_replicas_are(server: Server) -> None:
    group = f"{server.namespace}.example.com"
    (await server.post(DEFINITIONS, scaled_definition(group))).ok(201)
    path = f"/apis/{group}/v1/namespaces/{server.namespace}/widgets"
    try:
        await server.served(path)
        body = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 3}}
        (await server.post(path, body)).ok(201)
        (await server.patch(f"{path}/w/status", {"status": {"replicas": 2, "selector": "app=w"}})).ok()
        scale = (await server.get(f"{path}/w/scale")).ok()
        assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 3})
        assert scale["status"] == {"replicas": 2, "selector": "app=w"}
        assert (await server.patch(f"{path}/w/scale", {"spec": {"replicas": 5}})).ok()["spec"]["replicas"] == 5
        assert (await server.put(f"{path}/w/scale", {**scale, "spec": {"replicas": 6}})).status == 409
        assert (await server.get(f"{path}/w")).ok()["spec"] == {"size": 5}
        (await server.patch(f"{path}/w/scale", {"spec": {"replicas": -5}})).refused(422, "Invalid")
        async with asyncio.timeout(3 * WAIT_S):
            while group not in str((await server.get("/apis")).ok()):  # noqa: ASYNC110 - happens in another process
                await asyncio.sleep(0.05)
        assert "scaled" in await server.kubectl("scale", f"widgets.{group}/w", "--replicas=1")
        assert (await server.get(f"{path}/w")).ok()["spec"] == {"size": 1}
    finally:
        await server.delete(f"{DEFINITIONS}/widgets.{group}")
