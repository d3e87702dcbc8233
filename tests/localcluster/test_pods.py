"""Pods: defaults, refusals, quality of service, and binding."""

from typing import Any

import pytest

from aiokai.localcluster.objects import Json
from aiokai.localcluster.pods import BindingRefusedError, PodStrategy, Priority, bind
from aiokai.localcluster.podspec import check_spec, default_spec, quality_of_service

STRATEGY = PodStrategy(priority_of=lambda name: Priority(name, 7 if name else 0, "Never"))


def container(name: str = "c", **fields: Any) -> Json:
    return {"name": name, "image": "x", **fields}


def spec_of(*containers: Json, **fields: Any) -> Json:
    spec: Json = {"containers": list(containers or [container()]), **fields}
    default_spec(spec)
    return spec


def created(**spec: Any) -> Json:
    pod: Json = {"metadata": {"name": "p"}, "spec": {"containers": [container()], **spec}}
    STRATEGY.on_create(pod)
    assert STRATEGY.check(pod) == []
    return pod


def errors_of(spec: Json) -> list[str]:
    return [str(error) for error in check_spec(spec)]


def test_a_pod_that_says_nothing_gets_what_kubernetes_gives() -> None:
    spec = spec_of()
    assert (spec["restartPolicy"], spec["terminationGracePeriodSeconds"]) == ("Always", 30)
    assert spec["schedulerName"] == "default-scheduler"
    assert spec["containers"][0]["terminationMessagePath"] == "/dev/termination-log"
    assert [toleration["tolerationSeconds"] for toleration in spec["tolerations"]] == [300, 300]
    assert errors_of(spec) == []


def test_a_pod_that_tolerates_everything_gets_no_more_tolerations() -> None:
    assert spec_of(tolerations=[{"operator": "Exists"}])["tolerations"] == [{"operator": "Exists"}]


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:0", "IfNotPresent"),
    ],
)
def test_the_tag_of_an_image_decides_when_it_is_pulled(image: str, policy: str) -> None:
    assert spec_of(container(image=image))["containers"][0]["imagePullPolicy"] == policy


def test_requests_default_to_limits() -> None:
    resources = {"limits": {"cpu": "2", "nvidia.com/gpu": "1"}, "requests": {"cpu": "1"}}
    spec = spec_of(container(resources=resources))
    assert spec["containers"][0]["resources"]["requests"] == {"cpu": "1", "nvidia.com/gpu": "1"}


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"limits": {"nvidia.com/gpu": "1"}}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"memory": "512Mi"}}, "Burstable"),
    ],
)
def test_quality_of_service_follows_cpu_and_memory(resources: Json, quality: str) -> None:
    assert quality_of_service(spec_of(container(resources=resources))) == quality


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": "A"}, 'spec.containers[0].name: Invalid value: "A"'),
        ({"image": ""}, "spec.containers[0].image: Required value"),
        ({"resources": {"requests": {"cpu": "-1"}}}, "must be greater than or equal to 0"),
        (
            {"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}},
            'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        ({"resources": {"limits": {"nvidia.com/gpu": "500m"}}}, "must be an integer"),
        ({"resources": {"requests": {"nvidia.com/gpu": "1"}}}, "Limit must be set for non overcommitable resources"),
        (
            {"resources": {"limits": {"nvidia.com/gpu": "2"}, "requests": {"nvidia.com/gpu": "1"}}},
            "must be equal to nvidia.com/gpu limit of 2",
        ),
        ({"resources": {"limits": {"gpus": "1"}}}, "must be a standard resource for containers"),
        ({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}, 'volumeMounts[0].name: Not found: "v"'),
    ],
)
def test_a_container_is_refused(fields: Json, error: str) -> None:
    errors = errors_of(spec_of(container() | fields))
    assert len(errors) >= 1
    assert error in "; ".join(errors)


def test_two_containers_may_not_share_a_name() -> None:
    spec = spec_of(container("a"), initContainers=[container("a")])
    assert errors_of(spec) == ['spec.containers[0].name: Duplicate value: "a"']


def test_priority_comes_from_the_class() -> None:
    spec = created(priorityClassName="high", priority=99)["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (7, "Never")


def test_a_gated_pod_says_why_it_waits() -> None:
    condition = created(schedulingGates=[{"name": "a.b/c"}])["status"]["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "SchedulingGated")


def changed(pod: Json, **spec: Any) -> list[str]:
    new = {**pod, "spec": {**pod["spec"], **spec}}
    return [str(error) for error in STRATEGY.check_update(new, pod)]


def test_of_a_pod_little_can_be_changed() -> None:
    pod = created(schedulingGates=[{"name": "a.b/c"}, {"name": "a.b/d"}])
    assert changed(pod, schedulingGates=[{"name": "a.b/d"}]) == []
    assert changed(pod, tolerations=[*pod["spec"]["tolerations"], {"key": "x", "operator": "Exists"}]) == []
    assert changed(pod, containers=[{**pod["spec"]["containers"][0], "image": "y"}]) == []
    assert changed(pod, activeDeadlineSeconds=5) == []


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeName": "n0"},
        {"schedulingGates": [{"name": "a.b/new"}]},
        {"tolerations": []},
        {"containers": [container("other")]},
        {"priority": 5},
    ],
)
def test_of_a_pod_most_cannot_be_changed(spec: Json) -> None:
    assert changed(created(), **spec)


def binding(node: str = "n0", **metadata: Any) -> Json:
    return {"metadata": metadata, "target": {"kind": "Node", "name": node}}


def test_a_binding_brings_node_annotations_and_condition_together() -> None:
    pod = created()
    pod["metadata"]["annotations"] = {"kept": "1", "changed": "1"}
    pod["status"]["nominatedNodeName"] = "n0"
    bind(pod, binding(annotations={"changed": "2"}))
    assert pod["spec"]["nodeName"] == "n0"
    assert pod["metadata"]["annotations"] == {"kept": "1", "changed": "2"}
    assert [(it["type"], it["status"]) for it in pod["status"]["conditions"]] == [("PodScheduled", "True")]
    assert pod["status"]["phase"] == "Pending"
    assert "nominatedNodeName" not in pod["status"]


def test_a_pod_is_not_bound_twice_nor_gated_nor_when_it_goes() -> None:
    bound, gated, going = created(nodeName="n1"), created(schedulingGates=[{"name": "a.b/c"}]), created()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    for pod, why in ((bound, "already assigned"), (gated, "non-empty"), (going, "being deleted")):
        with pytest.raises(BindingRefusedError, match=why):
            bind(pod, binding())


@pytest.mark.parametrize(
    ("spec", "phase", "asked_s", "grace_s"),
    [
        ({}, "Pending", None, 0),
        ({"nodeName": "n0"}, "Running", None, 30),
        ({"nodeName": "n0"}, "Running", 5, 5),
        ({"nodeName": "n0"}, "Running", 0, 0),
        ({"nodeName": "n0"}, "Running", -1, 1),
        ({"nodeName": "n0"}, "Succeeded", 5, 0),
    ],
)
def test_only_what_runs_is_stopped_gracefully(spec: Json, phase: str, asked_s: int | None, grace_s: int) -> None:
    pod = created(**spec)
    pod["status"]["phase"] = phase
    assert STRATEGY.grace_period_s(pod, asked_s) == grace_s
