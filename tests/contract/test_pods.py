"""Pods: defaults, what is refused, and how they end."""

from typing import Any

import pytest

from tests.contract.server import Server, pod


def container(**resources: dict[str, str]) -> list[dict[str, Any]]:
    return [{"name": "main", "image": "busybox", "resources": resources}]


async def test_a_pod_is_filled_in(server: Server) -> None:
    created = await server.create_pod()
    spec = created["spec"]
    assert created["status"] == {"phase": "Pending", "qosClass": "Burstable"}
    assert created["metadata"]["generation"] == 1
    expected = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
        "priority": 0,
    }
    assert {key: spec.get(key) for key in expected} == expected
    assert {
        "imagePullPolicy": "Always",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }.items() <= spec["containers"][0].items()


async def test_a_pod_tolerates_a_lost_node_for_five_minutes(server: Server) -> None:
    tolerations = (await server.create_pod())["spec"]["tolerations"]
    expected = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in ("not-ready", "unreachable")
    ]
    assert tolerations == expected


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"nvidia.com/gpu": "1"}}, "BestEffort"),
    ],
)
async def test_a_pod_gets_its_quality_of_service(
    server: Server, resources: dict[str, dict[str, str]], quality: str
) -> None:
    assert (await server.create_pod(containers=container(**resources)))["status"]["qosClass"] == quality


async def test_limits_are_taken_as_requests_where_those_are_missing(server: Server) -> None:
    created = await server.create_pod(containers=container(limits={"nvidia.com/gpu": "2", "cpu": "1"}))
    assert created["spec"]["containers"][0]["resources"]["requests"] == {"nvidia.com/gpu": "2", "cpu": "1"}


async def test_a_priority_class_gives_its_number(server: Server) -> None:
    name = f"{server.namespace}-urgent"
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    (await server.post(path, {"metadata": {"name": name}, "value": 1000})).ok(201)
    assert (await server.create_pod(priorityClassName=name))["spec"]["priority"] == 1000
    (await server.delete(f"{path}/{name}")).ok()


async def test_an_unknown_priority_class_is_forbidden(server: Server) -> None:
    refusal = (await server.post("pods", pod(priorityClassName="absent"))).refused(403, "Forbidden")
    assert "no PriorityClass with name absent was found" in refusal["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (pod("No_Name"), "metadata.name"),
        (pod(metadata={"labels": {"a": "not a label!"}}), "metadata.labels"),
        (pod(containers=[]), "spec.containers"),
        (pod(containers=[{"name": "main"}]), "spec.containers[0].image"),
        (pod(containers=[{"name": "Main", "image": "i"}]), "spec.containers[0].name"),
        (pod(containers=[{"name": "a", "image": "i"}] * 2), "spec.containers[1].name"),
        (pod(containers=container(requests={"cpu": "-1"})), "spec.containers[0].resources.requests[cpu]"),
        (
            pod(containers=container(requests={"cpu": "2"}, limits={"cpu": "1"})),
            "spec.containers[0].resources.requests",
        ),
        (
            pod(containers=container(requests={"nvidia.com/gpu": "1"})),
            "spec.containers[0].resources.limits",
        ),
        (
            pod(containers=container(limits={"nvidia.com/gpu": "2"}, requests={"nvidia.com/gpu": "1"})),
            "spec.containers[0].resources.requests",
        ),
        (
            pod(containers=container(limits={"nvidia.com/gpu": "500m"})),
            "spec.containers[0].resources.limits[nvidia.com/gpu]",
        ),
        (pod(restartPolicy="Sometimes"), "spec.restartPolicy"),
        (pod(tolerations=[{"key": "a", "operator": "Sometimes"}]), "spec.tolerations[0].operator"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
async def test_a_pod_that_is_wrong_is_invalid_at_a_path(server: Server, body: dict[str, Any], field: str) -> None:
    refusal = (await server.post("pods", body)).refused(422, "Invalid")
    assert refusal["details"]["name"] == body["metadata"]["name"]
    assert refusal["details"]["kind"] == "Pod"
    assert field in [it["field"] for it in refusal["details"]["causes"]], refusal["message"]
    assert field in refusal["message"]


async def test_a_quantity_that_does_not_parse_is_a_bad_request(server: Server) -> None:
    (await server.post("pods", pod(containers=container(requests={"cpu": "much"})))).refused(400, "BadRequest")


async def test_a_value_of_the_wrong_type_is_a_bad_request(server: Server) -> None:
    (await server.post("pods", pod(priority="high"))).refused(400, "BadRequest")


async def test_an_unknown_field_is_dropped_unless_strictness_is_asked_for(server: Server) -> None:
    body = pod(colour="red")
    refusal = (await server.post("pods", body, fieldValidation="Strict")).refused(400, "BadRequest")
    assert 'unknown field "spec.colour"' in refusal["message"]
    assert "colour" not in (await server.post("pods", body, fieldValidation="Ignore")).ok(201)["spec"]


async def test_a_gate_cannot_be_added_later(server: Server) -> None:
    await server.create_pod()
    (await server.patch("pods/p", {"spec": {"schedulingGates": [{"name": "a"}]}})).refused(422, "Invalid")


@pytest.mark.parametrize("spec", [{"nodeName": "n0"}, {"priority": 9}, {"restartPolicy": "Never"}])
async def test_the_spec_of_a_pod_is_fixed(server: Server, spec: dict[str, Any]) -> None:
    await server.create_pod()
    (await server.patch("pods/p", {"spec": spec})).refused(422, "Invalid")


async def test_the_generation_of_a_pod_counts_changes_of_its_spec(server: Server) -> None:
    await server.create_pod(schedulingGates=[{"name": "example.com/wait"}])
    (await server.patch("pods/p", {"metadata": {"labels": {"a": "1"}}})).ok()
    (await server.patch("pods/p/status", {"status": {"phase": "Running"}})).ok()
    assert (await server.get("pods/p")).ok()["metadata"]["generation"] == 1
    (await server.patch("pods/p", {"spec": {"schedulingGates": None}})).ok()
    assert (await server.get("pods/p")).ok()["metadata"]["generation"] == 2


async def test_an_unbound_pod_is_gone_at_once(server: Server) -> None:
    created = await server.create_pod()
    async with server.watch("pods", resourceVersion=created["metadata"]["resourceVersion"]) as events:
        assert (await server.delete("pods/p")).ok()["kind"] == "Pod"
        # A grace period of nothing is written down first.
        assert await events.brief(2) == [("MODIFIED", "p"), ("DELETED", "p")]
    (await server.get("pods/p")).refused(404, "NotFound")


async def test_a_bound_pod_stays_until_its_kubelet_lets_it_go(server: Server) -> None:
    await server.create_pod(terminationGracePeriodSeconds=7)
    (await server.bind()).ok(201)
    leaving = (await server.delete("pods/p")).ok()
    assert leaving["metadata"]["deletionTimestamp"]
    assert leaving["metadata"]["deletionGracePeriodSeconds"] == 7
    assert (await server.get("pods/p")).ok()["metadata"]["uid"] == leaving["metadata"]["uid"]
    (await server.delete("pods/p", {"gracePeriodSeconds": 0})).ok()
    (await server.get("pods/p")).refused(404, "NotFound")


async def test_the_end_of_a_bound_pod_is_told_in_three_events(server: Server) -> None:
    await server.create_pod()
    (await server.bind()).ok(201)
    version = (await server.get("pods/p")).ok()["metadata"]["resourceVersion"]
    async with server.watch("pods", resourceVersion=version) as events:
        (await server.delete("pods/p")).ok()
        (await server.delete("pods/p", gracePeriodSeconds=0)).ok()
        seen = [await events.next() for _ in range(3)]
    told = [(kind, it["metadata"]["deletionGracePeriodSeconds"], it["metadata"]["generation"]) for kind, it in seen]
    assert told == [("MODIFIED", 30, 2), ("MODIFIED", 0, 2), ("DELETED", 0, 2)]


async def test_a_shorter_grace_may_be_asked_for(server: Server) -> None:
    await server.create_pod()
    (await server.bind()).ok(201)
    assert (await server.delete("pods/p")).ok()["metadata"]["deletionGracePeriodSeconds"] == 30
    assert (await server.delete("pods/p", gracePeriodSeconds=5)).ok()["metadata"]["deletionGracePeriodSeconds"] == 5
    assert (await server.delete("pods/p", gracePeriodSeconds=9)).ok()["metadata"]["deletionGracePeriodSeconds"] == 5


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_a_bound_pod_that_has_ended_is_gone_at_once(server: Server, phase: str) -> None:
    await server.create_pod()
    (await server.bind()).ok(201)
    (await server.patch("pods/p/status", {"status": {"phase": phase}})).ok()
    (await server.delete("pods/p")).ok()
    (await server.get("pods/p")).refused(404, "NotFound")


async def test_labels_and_annotations_of_a_pod_may_change(server: Server) -> None:
    await server.create_pod()
    changed = (await server.patch("pods/p", {"metadata": {"labels": {"a": "1"}, "annotations": {"b": "2"}}})).ok()
    assert (changed["metadata"]["labels"], changed["metadata"]["annotations"]) == ({"a": "1"}, {"b": "2"})


AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
        }
    }
}


async def test_where_a_gated_pod_may_run_can_be_narrowed(server: Server) -> None:
    gates = [{"name": "example.com/wait"}]
    await server.create_pod(schedulingGates=gates, nodeSelector={"a": "1"})
    narrowed = (await server.patch("pods/p", {"spec": {"nodeSelector": {"b": "2"}, "affinity": AFFINITY}})).ok()["spec"]
    assert narrowed["nodeSelector"] == {"a": "1", "b": "2"}
    assert narrowed["affinity"] == AFFINITY
    for selector in ({"a": "9"}, {"a": None}):
        refusal = (await server.patch("pods/p", {"spec": {"nodeSelector": selector}})).refused(422, "Invalid")
        assert refusal["details"]["causes"][0]["field"] == "spec.nodeSelector"
    (await server.patch("pods/p", {"spec": {"affinity": None}})).refused(422, "Invalid")
    both = {"spec": {"nodeSelector": {"c": "3"}, "schedulingGates": None}}
    assert "c" in (await server.patch("pods/p", both)).ok()["spec"]["nodeSelector"]
    (await server.patch("pods/p", {"spec": {"nodeSelector": {"d": "4"}}})).refused(422, "Invalid")
