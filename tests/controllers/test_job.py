"""A Job's way from what was written to pods that ended, each rule in a sentence."""

from typing import Any

import pytest

from aiokai.controllers.changes import Create
from aiokai.controllers.jobstatus import refused_by_kubelet
from aiokai.model.kube import Pod, PodStatus
from aiokai.model.resource import PODS
from tests.controllers.world import GROUPS, World, container, task

# From manifest to PodGroup


def test_a_pod_of_each_task_is_tried_before_anything_is_created() -> None:
    world = World(task("master"), task("worker", 3))
    tried = world.look()
    assert [create.body["metadata"]["name"] for create in tried.dry_run] == [
        "train-master-dry-run",
        "train-worker-dry-run",
    ]
    assert not tried.create
    assert tried.status is None


def test_no_pod_exists_before_the_gang_is_admitted() -> None:
    world = World(task("master"), task("worker", 3)).settle()
    assert list(world.objects) == [(GROUPS, "train-u1")]
    assert world.phase == "Pending"
    world.group["status"] = {"phase": "Pending"}
    assert world.settle().pods == []
    assert world.admit().pods == ["train-master-0", "train-worker-0", "train-worker-1", "train-worker-2"]


def test_the_pod_group_says_what_the_gang_needs() -> None:
    world = World(
        task("master", template={"spec": {"containers": [container(cpu="500m", memory="1Gi")]}}),
        task("worker", 3, template={"spec": {"containers": [container(cpu="2", **{"nvidia.com/gpu": "3"})]}}),
        queue="research",
        priorityClassName="high",
    ).settle()
    assert world.group["spec"] == {
        "minMember": 4,
        "minTaskMember": {"master": 1, "worker": 3},
        "minResources": {"cpu": "6500m", "memory": "1Gi", "nvidia.com/gpu": "9"},
        "queue": "research",
        "priorityClassName": "high",
        "preemptibility": "preemptible",
    }
    assert world.group["metadata"]["labels"] == {"team": "a", "aiokai.io/job": "train"}
    (owner,) = world.group["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == ("Job", "u1", True, True)


def test_below_what_the_tasks_need_the_gang_is_its_first_pods_by_priority() -> None:
    low = {"spec": {"containers": [container(cpu="1")]}}
    high = {"spec": {"containers": [container(cpu="10")], "priorityClassName": "high"}}
    world = World(task("a", 4, template=low), task("b", 2, template=high), minAvailable=3)
    world.priorities = {"high": 1000}
    world.settle()
    assert world.group["spec"]["minResources"] == {"cpu": "21"}
    assert "minTaskMember" not in world.group["spec"]


def test_above_what_the_tasks_need_the_gang_is_filled_up_by_priority() -> None:
    low = {"spec": {"containers": [container(cpu="1")]}}
    high = {"spec": {"containers": [container(cpu="10")], "priorityClassName": "high"}}
    world = World(
        task("a", 4, minAvailable=1, template=low), task("b", 2, minAvailable=1, template=high), minAvailable=4
    )
    world.priorities = {"high": 1000}
    world.settle()
    assert world.group["spec"]["minResources"] == {"cpu": "22"}
    assert world.group["spec"]["minTaskMember"] == {"a": 1, "b": 1}


def test_what_a_limit_range_adds_counts() -> None:
    world = World(task("worker", 2, template={"spec": {"containers": [{"name": "main", "image": "busybox"}]}}))
    world.limit_range = {"cpu": "250m"}
    assert world.settle().group["spec"]["minResources"] == {"cpu": "500m"}


# Pods


def test_pods_carry_what_names_their_gang() -> None:
    template = {
        "metadata": {"labels": {"app": "x"}, "annotations": {"note": "y"}},
        "spec": {"containers": [container()]},
    }
    world = World(task("worker", 2, template=template), queue="research", priorityClassName="high").admit()
    pod = world.pod("worker-1")
    assert pod["metadata"]["labels"] == {
        "app": "x",
        "aiokai.io/job": "train",
        "aiokai.io/task": "worker",
        "aiokai.io/task-index": "1",
    }
    assert pod["metadata"]["annotations"] == {
        "note": "y",
        "aiokai.io/pod-group": "train-u1",
        "aiokai.io/queue": "research",
        "aiokai.io/task": "worker",
        "aiokai.io/task-index": "1",
    }
    assert (pod["spec"]["schedulerName"], pod["spec"]["priorityClassName"]) == ("aiokai", "high")
    assert pod["metadata"]["ownerReferences"][0]["uid"] == "u1"


def test_what_the_template_says_itself_is_kept() -> None:
    spec = {"containers": [container()], "schedulerName": "aiokai", "priorityClassName": "own"}
    world = World(task(template={"spec": spec}), priorityClassName="high").admit()
    assert world.pod("worker-0")["spec"]["schedulerName"] == "aiokai"
    assert world.pod("worker-0")["spec"]["priorityClassName"] == "own"


def test_a_template_for_another_scheduler_is_refused() -> None:
    """Its pods would never count for the gang, which would hold its room for ever."""
    world = World(task(template={"spec": {"containers": [container()], "schedulerName": "other"}})).settle()
    assert world.status["state"]["reason"] == "Invalid"
    assert world.status["state"]["message"].startswith("spec.tasks[0].template.spec.schedulerName: ")


def test_a_queue_named_by_annotation_is_the_jobs_queue() -> None:
    world = World(task())
    world.body["metadata"]["annotations"] = {"aiokai.io/queue": "research"}
    assert world.settle().group["spec"]["queue"] == "research"


def test_a_share_of_a_gpu_is_asked_for_in_the_plugins_words() -> None:
    spec = {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/vgpu-memory": "4Gi"}}}]}
    world = World(task("server", 4, template={"spec": spec})).admit()
    limits = world.pod("server-0")["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"volcano.sh/vgpu-memory": "4096", "volcano.sh/vgpu-number": "1"}
    assert world.group["spec"]["minResources"] == {"volcano.sh/vgpu-memory": "16384", "volcano.sh/vgpu-number": "4"}


def test_a_pod_deleted_by_somebody_is_made_again() -> None:
    world = World(task("worker", 2)).admit().set("Running")
    del world.objects[PODS, "train-worker-1"]
    assert world.settle().pods == ["train-worker-0", "train-worker-1"]


def test_a_pod_that_is_still_going_keeps_its_name() -> None:
    world = World(task("worker", 2)).admit().set("Running")
    world.pod("worker-1")["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.settle()
    assert world.status["terminating"] == 1
    assert world.status["running"] == 1


@pytest.mark.parametrize("reason", ["OutOfcpu", "OutOfnvidia.com/gpu", "UnexpectedAdmissionError", "NodeAffinity"])
def test_a_pod_that_its_kubelet_refused_is_replaced_and_costs_nothing(reason: str) -> None:
    world = World(task("worker", 2)).admit()
    refused = world.pod("worker-1")["metadata"]["uid"]
    world.set("Failed", "worker-1", reason=reason)
    assert world.pod("worker-1")["metadata"]["uid"] != refused
    assert world.status["failed"] == 0
    assert world.phase == "Pending"


def test_a_pod_that_failed_by_itself_is_no_refusal() -> None:
    assert not refused_by_kubelet(Pod(status=PodStatus(phase="Failed", reason="Error")))
    assert not refused_by_kubelet(Pod(status=PodStatus(phase="Running", reason="OutOfcpu")))


# Phases


def test_a_job_runs_once_enough_of_its_pods_do() -> None:
    world = World(task("worker", 4), minAvailable=3).admit()
    assert world.set("Running", "worker-0", "worker-1").phase == "Pending"
    assert world.set("Running", "worker-2").phase == "Running"
    assert world.events == ["Normal Running"]
    assert (world.status["running"], world.status["pending"], world.status["minAvailable"]) == (3, 1, 3)
    assert world.status["taskStatusCount"] == {"worker": {"phase": {"Running": 3, "Pending": 1}}}


def test_a_job_waits_again_when_too_many_of_its_pods_do() -> None:
    world = World(task("worker", 4), minAvailable=3).admit().set("Running")
    world.set("Pending", "worker-0")
    assert world.phase == "Running"
    world.set("Pending", "worker-1")
    assert world.phase == "Pending"
    assert world.events == ["Normal Running", "Normal Pending"]


@pytest.mark.parametrize(
    ("spec", "tasks", "succeeded", "failed", "phase"),
    [
        ({}, [task("a", 2)], ["a-0", "a-1"], [], "Completed"),
        ({}, [task("a", 2)], ["a-0"], ["a-1"], "Failed"),
        ({}, [task("a", 2)], ["a-0"], [], "Running"),
        ({"minAvailable": 1}, [task("a", 2)], ["a-0"], ["a-1"], "Completed"),
        ({}, [task("a", 2, minAvailable=1)], ["a-0"], ["a-1"], "Completed"),
        ({}, [task("a", 2, minAvailable=1)], [], ["a-0", "a-1"], "Failed"),
        ({"minAvailable": 2}, [task("a"), task("b", 2, minAvailable=1)], ["b-0", "b-1"], ["a-0"], "Failed"),
        ({"minSuccess": 1}, [task("a", 2)], ["a-0"], [], "Completed"),
        ({"minSuccess": 2, "minAvailable": 1}, [task("a", 2)], ["a-0"], ["a-1"], "Failed"),
    ],
)
def test_a_job_ends_by_volcanos_rules(
    spec: dict[str, Any], tasks: list[dict[str, Any]], succeeded: list[str], failed: list[str], phase: str
) -> None:
    world = World(*tasks, **spec).admit().set("Running")
    for name in succeeded:
        world.pod(name)["status"] = {"phase": "Succeeded"}
    for name in failed:
        world.pod(name)["status"] = {"phase": "Failed"}
    assert world.settle().phase == phase


def test_pods_that_end_between_two_looks_are_not_missed() -> None:
    world = World(task("worker", 2)).admit().set("Succeeded")
    assert world.phase == "Completed"
    assert world.events == ["Normal Completed"]


def test_after_the_end_leftovers_and_the_pod_group_go_and_finished_pods_stay() -> None:
    world = World(task("worker", 4), minSuccess=2).admit().set("Running")
    world.set("Succeeded", "worker-0", "worker-1")
    assert world.phase == "Completed"
    assert world.pods == ["train-worker-0", "train-worker-1"]
    assert (GROUPS, "train-u1") not in world.objects
    assert world.edit(tasks=[task("worker", 9)]).pods == ["train-worker-0", "train-worker-1"]


def test_the_pod_group_stays_until_the_last_pod_is_gone() -> None:
    world = World(task("worker", 2), minSuccess=1).admit().set("Running")
    world.pod("worker-1")["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.set("Succeeded", "worker-0")
    assert world.phase == "Completed"
    assert (GROUPS, "train-u1") in world.objects


def test_a_failed_job_says_which_task_failed() -> None:
    world = World(task("master"), task("worker", 2)).admit().set("Running")
    world.set("Succeeded", "master-0", "worker-0").set("Failed", "worker-1")
    state = world.status["state"]
    assert (state["phase"], state["reason"]) == ("Failed", "TaskFailed")
    assert state["message"] == "task worker: 1 of the 2 pods it needs succeeded, 1 failed"
    assert world.events[-1] == "Warning Failed"


def test_each_phase_leaves_a_condition_and_the_present_one_is_true() -> None:
    world = World(task()).admit()
    world.wait(5).set("Running").wait(5).set("Succeeded")
    told = {c["type"]: (c["status"], c["lastTransitionTime"]) for c in world.status["conditions"]}
    assert told == {
        "Pending": ("False", "2026-01-01T00:00:05Z"),
        "Running": ("False", "2026-01-01T00:00:10Z"),
        "Completed": ("True", "2026-01-01T00:00:10Z"),
    }
    assert world.status["state"]["lastTransitionTime"] == "2026-01-01T00:00:10Z"


def test_a_second_look_wants_nothing() -> None:
    world = World(task("worker", 2), plugins={"env": [], "svc": []}).admit().set("Running")
    assert not world.look()
    assert not world.set("Succeeded").wait(60).look()


def test_a_restarted_operator_tries_nothing_again() -> None:
    world = World(task("worker", 2)).admit()
    asked = len(world.asked)
    world.answers.clear()
    world.set("Running")
    assert len(world.asked) == asked


def test_a_job_without_pods_waits() -> None:
    world = World(task("worker", 0)).admit()
    assert (world.phase, world.pods) == ("Pending", [])
    assert world.edit(tasks=[task("worker", 1)]).pods == ["train-worker-0"]


def test_a_job_that_is_being_deleted_is_left_to_the_collector() -> None:
    world = World(task()).admit()
    world.body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.set("Failed")
    assert world.phase == "Pending"


def test_another_schedulers_job_is_not_touched() -> None:
    world = World(task(), schedulerName="volcano").settle()
    assert world.objects == {}
    assert world.status == {}


# Scale


def test_scaling_down_takes_the_highest_indices_and_the_pod_group_follows() -> None:
    world = World(task("worker", 12)).admit().set("Running")
    world.body["spec"]["tasks"] = [task("worker", 9)]
    deleted = [delete.name for delete in world.step().delete + world.step().delete]
    assert deleted == ["train-worker-11", "train-worker-10", "train-worker-9"]
    world.settle()
    assert world.group["spec"]["minMember"] == 9
    assert world.group["spec"]["minTaskMember"] == {"worker": 9}
    assert world.group["spec"]["minResources"] == {"cpu": "9"}


def test_scaling_up_adds_pods_and_the_pod_group_follows() -> None:
    world = World(task("worker", 1, minAvailable=1)).admit().set("Running")
    world.edit(tasks=[task("worker", 3, minAvailable=2)])
    assert world.pods == ["train-worker-0", "train-worker-1", "train-worker-2"]
    assert (world.group["spec"]["minMember"], world.group["spec"]["minResources"]) == (2, {"cpu": "2"})
    assert world.group["status"] == {"phase": "Inqueue"}


def test_pods_of_a_task_that_was_taken_away_go() -> None:
    world = World(task("a"), task("b", 2)).admit()
    assert world.edit(tasks=[task("a")]).pods == ["train-a-0"]
    assert world.group["spec"]["minTaskMember"] == {"a": 1}


# What cannot go on


def refusing(code: int, message: str) -> Any:
    def verdict(create: Create) -> tuple[int, str]:
        return (code, message) if create.resource == PODS else (201, "")

    return verdict


@pytest.mark.parametrize("code", [400, 422])
def test_a_template_that_the_server_never_takes_makes_the_job_invalid_until_it_is_edited(code: int) -> None:
    world = World(task("good"), task("bad"))
    text = 'Pod "train-bad-dry-run" is invalid: spec.containers[0].image: Required value'
    world.verdict = lambda create: (code, text) if create.key.startswith("dry-run/bad/") else (201, "")
    world.settle()
    assert world.objects == {}
    assert world.phase == "Pending"
    told = f"spec.tasks[1].template: {text}"
    assert (world.status["state"]["reason"], world.status["state"]["message"]) == ("Invalid", told)
    condition = world.condition("Invalid")
    assert condition is not None
    assert (condition["status"], condition["message"], condition["observedGeneration"]) == ("True", told, 1)
    assert world.events == ["Warning Invalid"]
    asked = len(world.asked)
    world.wait(3600).settle()
    assert len(world.asked) == asked

    world.verdict = lambda _: (201, "")
    world.edit(tasks=[task("good"), task("bad", template={"spec": {"containers": [container(cpu="2")]}})])
    assert world.condition("Invalid") is None
    assert "reason" not in world.status["state"]
    assert (GROUPS, "train-u1") in world.objects


def test_what_is_refused_now_is_tried_again_ever_more_slowly() -> None:
    world = World(task())
    world.verdict = refusing(403, "exceeded quota: pods=1")
    world.settle()
    assert (world.status["state"]["reason"], world.phase) == ("Refused", "Pending")
    waits = []
    for _ in range(4):
        retry_after_s = world.look().retry_after_s
        assert retry_after_s is not None
        waits.append(retry_after_s)
        world.wait(retry_after_s).settle()
    assert waits == [1, 2, 4, 8]
    assert world.events == ["Warning Refused"]
    world.verdict = lambda _: (201, "")
    world.wait(60).settle()
    assert world.condition("Refused") is None
    assert (GROUPS, "train-u1") in world.objects


def test_a_server_that_does_not_answer_is_asked_again_without_a_word() -> None:
    world = World(task())
    world.verdict = refusing(503, "etcd leader changed")
    world.settle()
    assert "reason" not in world.status["state"]
    assert world.look().retry_after_s == 1
    world.verdict = lambda _: (201, "")
    assert (GROUPS, "train-u1") in world.wait(1).settle().objects


def test_a_quota_that_lets_only_some_pods_through_is_named() -> None:
    world = World(task("worker", 3)).settle()
    text = "exceeded quota: pods=1, used: pods=2, limited: pods=2"
    world.verdict = lambda create: (403, text) if create.body["metadata"]["name"].endswith("-2") else (201, "")
    world.admit()
    assert world.pods == ["train-worker-0", "train-worker-1"]
    assert world.status["state"]["message"] == text
    world.verdict = lambda _: (201, "")
    assert len(world.wait(1).settle().pods) == 3
    assert world.condition("Refused") is None


def test_a_pod_that_is_refused_in_earnest_is_tried_again_when_its_template_is_edited() -> None:
    world = World(task()).settle()
    world.verdict = lambda create: (422, "no such thing") if create.key.startswith("Pod/") else (201, "")
    world.admit().wait(3600).settle()
    assert (world.pods, world.status["state"]["reason"]) == ([], "Invalid")
    world.verdict = lambda _: (201, "")
    world.edit(tasks=[task(template={"spec": {"containers": [container(cpu="2")]}})])
    assert (world.pods, world.condition("Invalid")) == (["train-worker-0"], None)


def test_an_amount_that_no_plugin_serves_is_named_by_path_and_the_rest_goes_on() -> None:
    world = World(task("worker", 2)).admit().set("Running", "worker-0")
    wrong = {"spec": {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/vgpu-cores": "lots"}}}]}}
    world.edit(tasks=[task("worker", 2, template=wrong)])
    path = "spec.tasks[0].template.spec.containers[0].resources.limits[nvidia.com/vgpu-cores]"
    assert world.status["state"]["message"] == f"{path}: 'lots' is not a quantity"
    assert world.set("Running").status["running"] == 2


def test_a_job_that_cannot_be_read_says_so_and_keeps_its_numbers() -> None:
    world = World(task("worker", 2)).admit().set("Running")
    world.edit(minAvailable=3)
    assert world.status["state"]["message"] == "spec.minAvailable: 3 is more than all tasks have replicas (2)"
    assert (world.phase, world.status["running"], world.status["state"]["reason"]) == ("Running", 2, "Invalid")
    assert world.events[-1] == "Warning Invalid"
    world.edit(minAvailable=2)
    assert world.condition("Invalid") is None


def test_a_flag_that_the_plugin_does_not_have_is_named_by_path() -> None:
    world = World(task(), plugins={"svc": ["--fast"]}).settle()
    assert world.status["state"]["message"].startswith("spec.plugins.svc[0]: unknown flag '--fast'")


@pytest.mark.parametrize(("kind", "status"), [("Scheduled", "False"), ("Invalid", "True")])
def test_while_it_waits_a_job_says_what_the_scheduler_says_of_its_gang(kind: str, status: str) -> None:
    world = World(task()).settle()
    told = {"type": kind, "status": status, "reason": "QueueNotFound", "message": "there is no queue 'x'"}
    world.group["status"] = {"phase": "Pending", "conditions": [told]}
    state = world.settle().status["state"]
    assert (state["phase"], state["reason"], state["message"]) == ("Pending", "QueueNotFound", "there is no queue 'x'")
    world.group["status"] = {
        "phase": "Inqueue",
        "conditions": [{**told, "status": {"True": "False", "False": "True"}[status]}],
    }
    assert "reason" not in world.settle().status["state"]


def test_a_phase_that_is_not_known_begins_anew() -> None:
    world = World(task())
    world.body["status"] = {"state": {"phase": "Suspended"}}
    assert world.settle().phase == "Pending"


@pytest.mark.parametrize("phase", ["Aborted", "Terminated"])
def test_a_job_that_was_stopped_is_not_started(phase: str) -> None:
    world = World(task())
    world.body["status"] = {"state": {"phase": phase}}
    assert world.settle().phase == phase
    assert not world.objects


@pytest.mark.parametrize(
    ("cpu", "replicas", "told"),
    [
        ("9999999E", 1, "spec.tasks[1].template.spec.containers[0].resources.requests[cpu]: "),
        ("8T", 5000, "spec.tasks[1]: "),
    ],
)
def test_what_cannot_be_counted_is_named_by_its_task(cpu: str, replicas: int, told: str) -> None:
    world = World(task("small"), task("large", replicas, template={"spec": {"containers": [container(cpu=cpu)]}}))
    world.settle()
    assert world.status["state"]["reason"] == "Invalid"
    assert world.status["state"]["message"].startswith(told)
