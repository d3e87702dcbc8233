"""Owner references: what is owned goes when its owner goes."""

from typing import Any

from tests.contract.server import Server, config_map, pod, widget


def owned_by(owner: dict[str, Any], **more: Any) -> dict[str, Any]:
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    return {"ownerReferences": [{**reference, **more}]}


async def test_children_go_with_their_owner(server: Server) -> None:
    owner = (await server.post("configmaps", config_map("owner"))).ok(201)
    child = (await server.post("pods", pod("child", metadata=owned_by(owner, controller=True)))).ok(201)
    (await server.post("configmaps", config_map("grandchild", metadata=owned_by(child)))).ok(201)
    (await server.delete("configmaps/owner", propagationPolicy="Background")).ok()
    await server.gone("pods/child")
    await server.gone("configmaps/grandchild")


async def test_pods_go_with_an_owner_of_a_defined_kind(server: Server, widgets: str) -> None:
    owner = (await server.post(widgets, widget())).ok(201)
    for name in ("free", "bound"):
        await server.create_pod(name, metadata=owned_by(owner, controller=True, blockOwnerDeletion=True))
    (await server.bind("bound")).ok(201)
    version = (await server.get("pods/bound")).ok()["metadata"]["resourceVersion"]
    async with server.watch("pods", resourceVersion=version, fieldSelector="metadata.name=bound") as events:
        (await server.delete(f"{widgets}/w")).ok()
        kind, leaving = await events.next()
    assert kind == "MODIFIED"
    assert leaving["metadata"]["deletionTimestamp"]
    await server.gone("pods/free")


async def test_orphans_stay(server: Server) -> None:
    owner = (await server.post("configmaps", config_map("owner"))).ok(201)
    (await server.post("configmaps", config_map("child", metadata=owned_by(owner)))).ok(201)
    (await server.delete("configmaps/owner", propagationPolicy="Orphan")).ok()
    await server.gone("configmaps/owner")
    assert "ownerReferences" not in (await server.get("configmaps/child")).ok()["metadata"]


async def test_an_owner_deleted_in_the_foreground_waits_for_its_children(server: Server) -> None:
    owner = (await server.post("configmaps", config_map("owner"))).ok(201)
    metadata = {**owned_by(owner, blockOwnerDeletion=True), "finalizers": ["example.com/keep"]}
    (await server.post("configmaps", config_map("child", metadata=metadata))).ok(201)
    (await server.delete("configmaps/owner", {"propagationPolicy": "Foreground"})).ok()
    waiting = (await server.get("configmaps/owner")).ok()["metadata"]
    assert waiting["deletionTimestamp"]
    assert waiting["finalizers"] == ["foregroundDeletion"]
    (await server.patch("configmaps/child", {"metadata": {"finalizers": None}})).ok()
    await server.gone("configmaps/owner")
    (await server.get("configmaps/child")).refused(404, "NotFound")


async def test_a_child_of_nobody_is_collected(server: Server) -> None:
    owner = (await server.post("configmaps", config_map("owner"))).ok(201)
    (await server.delete("configmaps/owner")).ok()
    (await server.post("configmaps", config_map("child", metadata=owned_by(owner)))).ok(201)
    await server.gone("configmaps/child")
