"""Finalizers: who deletes waits, and what holds is let go by those who put it there."""

import asyncio
from typing import Any

import pytest

from tests.contract.server import JSON_PATCH, Server, config_map, own_widgets, widget

HELD = {"finalizers": ["example.com/a"]}


async def released(server: Server, path: str) -> None:
    (await server.patch(path, {"metadata": {"finalizers": None}})).ok()


async def test_deleting_marks_once(server: Server) -> None:
    (await server.post("configmaps", config_map(metadata=HELD))).ok(201)
    first = (await server.delete("configmaps/c")).ok()
    assert first["metadata"]["deletionTimestamp"]
    assert first["metadata"]["deletionGracePeriodSeconds"] == 0
    again = (await server.delete("configmaps/c")).ok()
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    await released(server, "configmaps/c")
    (await server.get("configmaps/c")).refused(404, "NotFound")


async def test_finalizers_of_what_is_deleted_can_only_go(server: Server) -> None:
    metadata = {"finalizers": ["example.com/a", "example.com/b"]}
    (await server.post("configmaps", config_map(metadata=metadata))).ok(201)
    (await server.delete("configmaps/c")).ok()
    more = {"metadata": {"finalizers": ["example.com/a", "example.com/c"]}}
    refusal = (await server.patch("configmaps/c", more)).refused(422, "Invalid")
    assert refusal["details"]["causes"][0]["field"] == "metadata.finalizers"
    assert "no new finalizers can be added if the object is being deleted" in refusal["message"]
    left = (await server.patch("configmaps/c", {"metadata": {"finalizers": ["example.com/b"]}})).ok()
    assert left["metadata"]["finalizers"] == ["example.com/b"]
    changed = (await server.patch("configmaps/c", {"data": {"k": "still here"}})).ok()
    assert changed["data"] == {"k": "still here"}
    steps = [{"op": "remove", "path": "/metadata/finalizers"}]
    gone = (await server.patch("configmaps/c", steps, JSON_PATCH)).ok()
    assert "finalizers" not in gone["metadata"]
    (await server.get("configmaps/c")).refused(404, "NotFound")


async def test_a_finalizer_has_a_qualified_name(server: Server) -> None:
    refusal = (await server.post("configmaps", config_map(metadata={"finalizers": ["bad name"]}))).refused(
        422, "Invalid"
    )
    assert refusal["details"]["causes"][0]["field"].startswith("metadata.finalizers")


@pytest.mark.parametrize("bound", [False, True], ids=["unbound", "bound"])
async def test_a_pod_waits_for_its_finalizers_and_its_kubelet(server: Server, bound: bool) -> None:
    await server.create_pod(metadata=HELD)
    if bound:
        (await server.bind()).ok(201)
    leaving = (await server.delete("pods/p")).ok()["metadata"]
    assert leaving["deletionGracePeriodSeconds"] == (30 if bound else 0)
    await released(server, "pods/p")
    if bound:
        assert (await server.get("pods/p")).ok()["metadata"]["deletionTimestamp"]
        (await server.delete("pods/p", gracePeriodSeconds=0)).ok()
    (await server.get("pods/p")).refused(404, "NotFound")


async def test_a_pod_whose_kubelet_is_done_waits_for_its_finalizers(server: Server) -> None:
    await server.create_pod(metadata=HELD)
    (await server.bind()).ok(201)
    (await server.delete("pods/p", gracePeriodSeconds=0)).ok()
    assert (await server.get("pods/p")).ok()["metadata"]["deletionGracePeriodSeconds"] == 0
    version = (await server.get("pods/p")).ok()["metadata"]["resourceVersion"]
    async with server.watch("pods", resourceVersion=version) as events:
        await released(server, "pods/p")
        assert await events.brief(1) == [("DELETED", "p")]


async def test_a_custom_object_is_held_too(server: Server, widgets: str) -> None:
    (await server.post(widgets, widget(metadata=HELD))).ok(201)
    marked = (await server.delete(f"{widgets}/w")).ok()["metadata"]
    assert (marked["generation"], marked["deletionGracePeriodSeconds"]) == (2, 0)
    await released(server, f"{widgets}/w")
    (await server.get(f"{widgets}/w")).refused(404, "NotFound")


async def test_kubectl_delete_waits_until_it_is_gone(server: Server) -> None:
    (await server.post("configmaps", config_map(metadata=HELD))).ok(201)
    deleting = asyncio.create_task(server.kubectl("delete", "configmap", "c"))
    async with server.watch("configmaps", fieldSelector="metadata.name=c") as events:
        while "deletionTimestamp" not in (await events.next())[1]["metadata"]:
            pass
    done, _ = await asyncio.wait([deleting], timeout=0.2)
    assert not done
    await released(server, "configmaps/c")
    assert "deleted" in await deleting


def owned(owner: dict[str, Any]) -> dict[str, Any]:
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    return {"ownerReferences": [{**reference, "blockOwnerDeletion": True}]}


@pytest.mark.parametrize(("cascade", "stays"), [("foreground", False), ("background", False), ("orphan", True)])
async def test_kubectl_says_what_becomes_of_dependents(server: Server, cascade: str, stays: bool) -> None:
    owner = (await server.post("configmaps", config_map("owner"))).ok(201)
    (await server.post("configmaps", config_map("child", metadata=owned(owner)))).ok(201)
    await server.kubectl("delete", "configmap", "owner", f"--cascade={cascade}")
    (await server.get("configmaps/owner")).refused(404, "NotFound")
    if stays:
        assert "ownerReferences" not in (await server.get("configmaps/child")).ok()["metadata"]
    else:
        await server.gone("configmaps/child")


async def test_nothing_is_created_of_a_kind_that_goes(server: Server) -> None:
    async with own_widgets(server) as path:
        definition = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{path.split('/')[2]}"
        group = path.split("/")[2]
        (await server.post(path, widget(group=group, metadata=HELD))).ok(201)
        (await server.delete(definition)).ok()
        await asyncio.sleep(0.3)
        refusal = (await server.post(path, widget("more", group=group))).refused(403, "Forbidden")
        assert refusal["message"].endswith("create not allowed while custom resource definition is terminating")
        assert (await server.get(f"{path}/w")).ok()["spec"]["size"] == 3
        await released(server, f"{path}/w")
        await server.gone(definition)
