"""Merge, strategic-merge and JSON patches."""

from typing import Any

import pytest

from tests.contract.server import JSON_PATCH, MERGE, STRATEGIC, Server, config_map, pod, widget


async def test_a_merge_patch_sets_and_removes_by_key(server: Server) -> None:
    (await server.post("configmaps", config_map(a="1", b="2"))).ok(201)
    assert (await server.patch("configmaps/c", {"data": {"a": None, "c": "3"}})).ok()["data"] == {"b": "2", "c": "3"}


async def test_a_merge_patch_replaces_lists(server: Server) -> None:
    await server.create_pod(tolerations=[{"key": "a", "operator": "Exists"}])
    conditions = [[{"type": name, "status": "True"}] for name in ("A", "B")]
    for value in conditions:
        answer = (await server.patch("pods/p/status", {"status": {"conditions": value}})).ok()
    assert [it["type"] for it in answer["status"]["conditions"]] == ["B"]


async def test_a_strategic_patch_merges_conditions_by_type(server: Server) -> None:
    await server.create_pod()
    for name, status in (("A", "True"), ("B", "True"), ("A", "False")):
        body = {"status": {"conditions": [{"type": name, "status": status}]}}
        answer = (await server.patch("pods/p/status", body, STRATEGIC)).ok()
    assert {it["type"]: it["status"] for it in answer["status"]["conditions"]} == {"A": "False", "B": "True"}


async def test_a_strategic_patch_deletes_an_item_by_key(server: Server) -> None:
    await server.create_pod()
    both = {"status": {"conditions": [{"type": name, "status": "True"} for name in "AB"]}}
    (await server.patch("pods/p/status", both, STRATEGIC)).ok()
    one = {"status": {"conditions": [{"type": "A", "$patch": "delete"}]}}
    answer = (await server.patch("pods/p/status", one, STRATEGIC)).ok()
    assert [it["type"] for it in answer["status"]["conditions"]] == ["B"]


async def test_a_strategic_patch_replaces_what_says_so(server: Server) -> None:
    (await server.post("configmaps", config_map(a="1", b="2"))).ok(201)
    answer = (await server.patch("configmaps/c", {"data": {"$patch": "replace", "c": "3"}}, STRATEGIC)).ok()
    assert answer["data"] == {"c": "3"}


async def test_a_strategic_patch_removes_with_null(server: Server) -> None:
    (await server.post("configmaps", config_map(metadata={"labels": {"a": "1", "b": "2"}}))).ok(201)
    answer = (await server.patch("configmaps/c", {"metadata": {"labels": {"a": None}}}, STRATEGIC)).ok()
    assert answer["metadata"]["labels"] == {"b": "2"}


async def test_a_strategic_patch_finds_a_container_by_name(server: Server) -> None:
    containers = [{"name": name, "image": "old"} for name in ("one", "two")]
    await server.create_pod(containers=containers)
    body = {"spec": {"containers": [{"name": "two", "image": "new"}]}}
    answer = (await server.patch("pods/p", body, STRATEGIC)).ok()
    assert {it["name"]: it["image"] for it in answer["spec"]["containers"]} == {"one": "old", "two": "new"}


async def test_a_strategic_patch_adds_to_and_takes_from_finalizers(server: Server) -> None:
    (await server.post("configmaps", config_map(metadata={"finalizers": ["example.com/a"]}))).ok(201)
    added = (await server.patch("configmaps/c", {"metadata": {"finalizers": ["example.com/b"]}}, STRATEGIC)).ok()
    assert sorted(added["metadata"]["finalizers"]) == ["example.com/a", "example.com/b"]
    body = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a", "example.com/b"]}}
    assert "finalizers" not in (await server.patch("configmaps/c", body, STRATEGIC)).ok()["metadata"]


async def test_a_strategic_patch_replaces_a_list_without_a_key(server: Server) -> None:
    name = f"{server.namespace}-n0"
    taints = [{"key": key, "effect": "NoSchedule"} for key in ("a", "b", "c")]
    (await server.post("/api/v1/nodes", {"metadata": {"name": name}, "spec": {"taints": taints[:2]}})).ok(201)
    answer = (await server.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": taints[2:]}}, STRATEGIC)).ok()
    assert answer["spec"]["taints"] == taints[2:]
    (await server.delete(f"/api/v1/nodes/{name}")).ok()


async def test_a_json_patch_tests_adds_and_removes(server: Server) -> None:
    (await server.post("configmaps", config_map(metadata={"labels": {"a": "1"}}))).ok(201)
    steps = [
        {"op": "test", "path": "/data/k", "value": "1"},
        {"op": "add", "path": "/data/new", "value": "2"},
        {"op": "remove", "path": "/metadata/labels/a"},
    ]
    answer = (await server.patch("configmaps/c", steps, JSON_PATCH)).ok()
    assert answer["data"] == {"k": "1", "new": "2"}
    assert "labels" not in answer["metadata"]


@pytest.mark.parametrize("step", [{"op": "test", "path": "/data/k", "value": "2"}, {"op": "remove", "path": "/data/z"}])
async def test_a_json_patch_that_does_not_fit_changes_nothing(server: Server, step: dict[str, Any]) -> None:
    (await server.post("configmaps", config_map())).ok(201)
    steps = [{"op": "add", "path": "/data/new", "value": "2"}, step]
    (await server.patch("configmaps/c", steps, JSON_PATCH)).refused(422, "Invalid")
    assert (await server.get("configmaps/c")).ok()["data"] == {"k": "1"}


@pytest.mark.parametrize("media", [MERGE, STRATEGIC])
async def test_a_patch_with_a_stale_version_conflicts(server: Server, media: str) -> None:
    created = (await server.post("configmaps", config_map())).ok(201)
    (await server.patch("configmaps/c", {"data": {"k": "2"}})).ok()
    stale = {"metadata": {"resourceVersion": created["metadata"]["resourceVersion"]}, "data": {"k": "3"}}
    (await server.patch("configmaps/c", stale, media)).refused(409, "Conflict")


async def test_a_patch_with_another_uid_is_invalid(server: Server) -> None:
    # Not a conflict, as it is for PUT: a patch that must meet one incarnation of an object names its resourceVersion.
    await server.create_pod()
    body = {"metadata": {"uid": "00000000-0000-0000-0000-000000000000", "labels": {"a": "1"}}}
    refusal = (await server.patch("pods/p", body)).refused(422, "Invalid")
    assert refusal["details"]["causes"][0]["field"] == "metadata.uid"


async def test_a_patch_that_changes_nothing_leaves_the_version(server: Server) -> None:
    created = (await server.post("configmaps", config_map())).ok(201)
    answer = (await server.patch("configmaps/c", {"data": {"k": "1"}})).ok()
    assert answer["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


async def test_a_patch_of_a_missing_object_is_not_found(server: Server) -> None:
    (await server.patch("pods/absent", {"metadata": {"labels": {"a": "1"}}})).refused(404, "NotFound")


async def test_a_patch_of_an_unknown_media_type_is_refused(server: Server) -> None:
    (await server.post("configmaps", config_map())).ok(201)
    (await server.patch("configmaps/c", {"data": {}}, "application/json")).refused(415, "UnsupportedMediaType")


async def test_a_patch_through_status_changes_only_the_status(server: Server) -> None:
    await server.create_pod()
    body = {"metadata": {"labels": {"a": "1"}}, "spec": {"nodeName": "n0"}, "status": {"phase": "Running"}}
    answer = (await server.patch("pods/p/status", body)).ok()
    assert answer["status"]["phase"] == "Running"
    assert "nodeName" not in answer["spec"]


async def test_a_custom_object_takes_merge_and_json_patches_but_no_strategic_ones(server: Server, widgets: str) -> None:
    (await server.post(widgets, widget())).ok(201)
    assert (await server.patch(f"{widgets}/w", {"spec": {"size": 4}})).ok()["spec"]["size"] == 4
    steps = [{"op": "replace", "path": "/spec/size", "value": 5}]
    assert (await server.patch(f"{widgets}/w", steps, JSON_PATCH)).ok()["spec"]["size"] == 5
    (await server.patch(f"{widgets}/w", {"spec": {"size": 6}}, STRATEGIC)).refused(415, "UnsupportedMediaType")


async def test_a_patched_object_is_validated(server: Server) -> None:
    (await server.post("pods", pod())).ok(201)
    (await server.patch("pods/p", {"metadata": {"labels": {"a": "not a label!"}}})).refused(422, "Invalid")
