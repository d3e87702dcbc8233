"""Binding a pod: the one write by which a scheduler speaks."""

import asyncio
from typing import Any

from tests.contract.server import Server, binding

GATED: dict[str, Any] = {"schedulingGates": [{"name": "example.com/wait"}]}


def condition(pod: dict[str, Any], kind: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [it for it in pod["status"].get("conditions", []) if it["type"] == kind]
    assert len(found) == 1, pod["status"]
    return found[0]


async def test_a_binding_is_answered_with_a_bare_status(server: Server) -> None:
    await server.create_pod()
    answer = (await server.bind()).ok(201)
    assert (answer["kind"], answer["status"], answer["code"]) == ("Status", "Success", 201)
    assert "resourceVersion" not in answer["metadata"]


async def test_a_binding_carries_annotations_in_the_same_write(server: Server) -> None:
    created = await server.create_pod(metadata={"annotations": {"kept": "1", "changed": "old"}})
    async with server.watch("pods", resourceVersion=created["metadata"]["resourceVersion"]) as events:
        (await server.bind(annotations={"changed": "new", "added": "2"})).ok(201)
        kind, bound = await events.next()
    assert kind == "MODIFIED"
    assert bound["spec"]["nodeName"] == "n0"
    assert bound["metadata"]["annotations"] == {"kept": "1", "changed": "new", "added": "2"}
    scheduled = condition(bound, "PodScheduled")
    assert scheduled["status"] == "True"
    assert scheduled["lastTransitionTime"]
    assert bound["status"]["phase"] == "Pending"
    assert bound["metadata"].get("generation") == created["metadata"].get("generation")


async def test_a_binding_may_be_posted_to_the_collection_too(server: Server) -> None:
    await server.create_pod()
    (await server.post("bindings", binding())).ok(201)
    assert (await server.get("pods/p")).ok()["spec"]["nodeName"] == "n0"


async def test_a_binding_with_the_right_uid_and_version_is_accepted(server: Server) -> None:
    metadata = (await server.create_pod())["metadata"]
    (await server.bind(uid=metadata["uid"], resourceVersion=metadata["resourceVersion"])).ok(201)


async def test_a_binding_with_another_uid_or_version_conflicts(server: Server) -> None:
    metadata = (await server.create_pod())["metadata"]
    (await server.patch("pods/p", {"metadata": {"labels": {"a": "1"}}})).ok()
    for precondition in ({"uid": "another"}, {"resourceVersion": metadata["resourceVersion"]}):
        refusal = (await server.bind(**precondition)).refused(409, "Conflict")
        assert refusal["details"] == {"name": "p", "kind": "pods"}
    assert "nodeName" not in (await server.get("pods/p")).ok()["spec"]


async def test_a_pod_is_bound_once(server: Server) -> None:
    await server.create_pod()
    (await server.bind()).ok(201)
    for node in ("n0", "n1"):
        refusal = (await server.bind(node=node)).refused(409, "Conflict")
        assert refusal["details"] == {"name": "p", "kind": "pods/binding"}
        assert "is already assigned to node" in refusal["message"]


async def test_of_two_bindings_at_once_one_wins(server: Server) -> None:
    await server.create_pod()
    answers = await asyncio.gather(*(server.bind(node=f"n{i}") for i in range(8)))
    winners = [f"n{i}" for i, answer in enumerate(answers) if answer.status == 201]
    assert winners == [(await server.get("pods/p")).ok()["spec"]["nodeName"]]


async def test_a_gated_pod_is_not_bound(server: Server) -> None:
    await server.create_pod(**GATED)
    refusal = (await server.bind()).refused(409, "Conflict")
    assert refusal["details"] == {"name": "p", "kind": "pods/binding"}
    assert "has non-empty .spec.schedulingGates" in refusal["message"]


async def test_a_pod_that_is_being_deleted_is_not_bound(server: Server) -> None:
    await server.create_pod(metadata={"finalizers": ["example.com/keep"]})
    (await server.delete("pods/p", gracePeriodSeconds=0)).ok()
    refusal = (await server.bind()).refused(409, "Conflict")
    assert refusal["details"] == {"name": "p", "kind": "pods/binding"}
    assert "is being deleted" in refusal["message"]
    (await server.patch("pods/p", {"metadata": {"finalizers": None}})).ok()


async def test_a_missing_pod_is_not_bound(server: Server) -> None:
    refusal = (await server.bind("absent")).refused(404, "NotFound")
    assert refusal["message"] == 'pods "absent" not found'


async def test_a_binding_names_the_pod_of_its_path(server: Server) -> None:
    await server.create_pod()
    (await server.post("pods/p/binding", binding("other"))).refused(400, "BadRequest")


async def test_a_binding_to_no_node_is_an_error(server: Server) -> None:
    await server.create_pod()
    assert (await server.bind(node="")).status == 500


async def test_a_node_that_does_not_exist_is_no_reason_to_refuse(server: Server) -> None:
    await server.create_pod()
    (await server.bind(node="nowhere")).ok(201)


async def test_a_pod_that_has_ended_is_still_bound(server: Server) -> None:
    await server.create_pod()
    (await server.patch("pods/p/status", {"status": {"phase": "Failed"}})).ok()
    (await server.bind()).ok(201)


async def test_a_dry_binding_binds_nothing(server: Server) -> None:
    await server.create_pod()
    (await server.post("pods/p/binding", binding(), dryRun="All")).ok(201)
    assert "nodeName" not in (await server.get("pods/p")).ok()["spec"]


async def test_a_binding_overwrites_an_unschedulable_condition(server: Server) -> None:
    await server.create_pod()
    waiting = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}
    (await server.patch("pods/p/status", {"status": {"conditions": [waiting]}})).ok()
    (await server.bind()).ok(201)
    scheduled = condition((await server.get("pods/p")).ok(), "PodScheduled")
    assert scheduled["status"] == "True"
    assert "reason" not in scheduled


async def test_a_gated_pod_says_so_and_keeps_saying_so_after_its_gate_went(server: Server) -> None:
    created = await server.create_pod(**GATED)
    scheduled = condition(created, "PodScheduled")
    assert (scheduled["status"], scheduled["reason"]) == ("False", "SchedulingGated")
    freed = (await server.patch("pods/p", {"spec": {"schedulingGates": None}})).ok()
    assert "schedulingGates" not in freed["spec"]
    assert condition(freed, "PodScheduled")["reason"] == "SchedulingGated"
    (await server.bind()).ok(201)
