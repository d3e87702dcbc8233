"""Volcano's objects read as ours, and our answers as Volcano would write them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from aiokai.dialects import VOLCANO
from aiokai.errors import InvalidObjectError
from aiokai.model.conditions import ConditionStatus, with_condition
from aiokai.model.job import Job, JobState, JobStatus, TaskStatus
from aiokai.model.pod_group import PodGroup, PodGroupSpec, PodGroupStatus
from aiokai.model.queue import Queue, QueueStatus

EXAMPLES = Path(__file__).parents[2] / "examples" / "volcano"
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 1, 1, 12, 5, tzinfo=UTC)


def task(name: str = "worker", **fields: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "main", "image": "busybox"}], **fields.pop("pod", {})}}
    return {"name": name, "template": template, **fields}


def job(*tasks: dict[str, Any], status: dict[str, Any] | None = None, **spec: Any) -> Job:
    body = {"metadata": {"name": "train", "namespace": "lab"}, "spec": {"tasks": list(tasks) or [task()], **spec}}
    return VOLCANO.job.decode(json.dumps({**body, "status": status or {}}).encode())


def queue(name: str = "research", status: dict[str, Any] | None = None, **spec: Any) -> Queue:
    body = {"metadata": {"name": name}, "spec": spec, "status": status or {}}
    return VOLCANO.queue.decode(json.dumps(body).encode())


def pod_group(status: dict[str, Any] | None = None, **spec: Any) -> PodGroup:
    body = {"metadata": {"name": "g", "namespace": "lab"}, "spec": spec, "status": status or {}}
    return VOLCANO.pod_group.decode(json.dumps(body).encode())


# Queues


def test_a_queue_reads_as_ours_with_volcanos_defaults() -> None:
    read = queue(capability={"nvidia.com/gpu": 20}, guarantee={"resource": {"cpu": 4}}, weight=0, parent="root").spec
    assert (read.capability, read.guarantee) == ({"nvidia.com/gpu": "20"}, {"cpu": "4"})
    assert (read.weight, read.reclaimable, read.parent, read.state) == (1, True, None, "Open")


@pytest.mark.parametrize(
    ("state", "read"), [("", "Open"), ("Open", "Open"), ("Closing", "Closed"), ("Closed", "Closed")]
)
def test_a_queue_that_was_closed_by_a_command_stays_closed(state: str, read: str) -> None:
    assert queue(status={"state": state}).spec.state == read


def test_what_is_wrong_with_a_guarantee_is_named_where_volcano_has_it() -> None:
    with pytest.raises(InvalidObjectError, match=r"^spec\.guarantee\.resource\.cpu: "):
        queue(guarantee={"resource": {"cpu": "much"}})


def test_the_root_queue_is_entitled_to_nothing_of_its_own() -> None:
    root = queue("root", capability={"cpu": "8"})
    assert root.spec.capability is None
    assert root.without_effect == ("spec.capability",)


def test_a_queues_numbers_are_written_as_volcano_knows_them() -> None:
    status = QueueStatus(state="Open", allocated={"cpu": "4"}, fair_share={"cpu": "8"}, inqueue=1, running=2)
    assert VOLCANO.queue.encode_status(status) == {
        "state": "Open",
        "allocated": {"cpu": "4"},
        "pending": 0,
        "inqueue": 1,
        "running": 2,
    }


def test_a_queues_spec_reads_back_as_it_was_written() -> None:
    spec = queue(capability={"cpu": "8"}, guarantee={"resource": {"cpu": "2"}}, reclaimable=False).spec
    assert queue(**VOLCANO.queue.encode_spec(spec)).spec == spec


# PodGroups


def test_a_pod_group_has_no_status_subresource() -> None:
    assert VOLCANO.pod_group.status_path == ""
    assert VOLCANO.job.status_path == VOLCANO.queue.status_path == "status"


def test_queue_default_is_left_to_the_namespace() -> None:
    assert pod_group(queue="default").spec.queue == job(queue="default").spec.queue == ""
    assert pod_group(queue="research").spec.queue == "research"


def test_a_gang_that_waits_is_unschedulable_in_volcanos_words() -> None:
    waiting = ConditionStatus(
        type="Scheduled", status="False", reason="NeverFits", message="it can never fit", last_transition_time=START
    )
    status = PodGroupStatus(phase="Pending", pending=3, conditions=(waiting,))
    written = VOLCANO.pod_group.encode_status(status)
    assert written == {
        "phase": "Pending",
        "running": 0,
        "succeeded": 0,
        "failed": 0,
        "conditions": [
            {
                "type": "Unschedulable",
                "status": "True",
                "reason": "NotEnoughResources",
                "message": "it can never fit",
                "lastTransitionTime": "2026-01-01T12:00:00Z",
            }
        ],
    }
    read = VOLCANO.pod_group.decode_status(written)
    assert (read.conditions[0].type, read.conditions[0].status) == ("Scheduled", "False")
    assert VOLCANO.pod_group.encode_status(read) == written


def test_of_two_conditions_that_volcano_left_the_later_counts() -> None:
    told = [
        {"type": "Unschedulable", "status": "True", "lastTransitionTime": "2026-01-01T12:00:00Z"},
        {"type": "Scheduled", "status": "True", "lastTransitionTime": "2026-01-01T12:05:00Z"},
    ]
    (read,) = pod_group({"phase": "Running", "conditions": told}).status.conditions
    assert (read.type, read.status) == ("Scheduled", "True")
    (written,) = VOLCANO.pod_group.encode_status(PodGroupStatus(conditions=(read,)))["conditions"]
    assert (written["type"], written["reason"]) == ("Scheduled", "tasks in gang are ready to be scheduled")


def test_a_pod_groups_spec_holds_only_what_volcano_knows() -> None:
    spec = PodGroupSpec(min_member=4, min_resources={"cpu": "4"}, queue="research", preemptibility="non-preemptible")
    assert VOLCANO.pod_group.encode_spec(spec) == {
        "minMember": 4,
        "minResources": {"cpu": "4"},
        "queue": "research",
    }


def test_a_hard_topology_is_refused_and_a_soft_one_is_named() -> None:
    with pytest.raises(InvalidObjectError, match=r"^spec\.networkTopology: "):
        pod_group(networkTopology={"highestTierAllowed": 1})
    assert pod_group(networkTopology={"mode": "soft"}).without_effect == ("spec.networkTopology",)
    with pytest.raises(InvalidObjectError, match=r"^spec\.subGroupPolicy\[0\]\.minSubGroups: "):
        pod_group(subGroupPolicy=[{"name": "a", "minSubGroups": 2}])


# Jobs


def test_a_job_reads_as_volcanos_webhook_completes_it() -> None:
    told = job(task("", replicas=2, minAvailable=1), task("", maxRetry=0, pod={"hostNetwork": True}), maxRetry=0)
    spec = told.spec
    assert (spec.scheduler_name, spec.max_retry, spec.min_member) == ("volcano", 3, 2)
    assert [it.name for it in spec.tasks] == ["default0", "default1"]
    assert spec.tasks[1].max_retry == 3
    assert spec.tasks[1].template["spec"]["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert told.without_effect == ()


def test_fields_without_effect_are_named_where_the_pods_may_run() -> None:
    told = job(
        task(policies=[{"event": "PodFailed", "action": "RestartTask"}], topologyPolicy="best-effort"),
        task("other", topologyPolicy="none", partitionPolicy={"totalPartitions": 2, "partitionSize": 1}, replicas=2),
        policies=[{"event": "PodEvicted", "action": "RestartJob"}],
        ttlSecondsAfterFinished=0,
        networkTopology={"mode": "soft", "highestTierAllowed": 1},
        volumes=[],
    )
    assert told.without_effect == (
        "spec.policies",
        "spec.ttlSecondsAfterFinished",
        "spec.networkTopology",
        "spec.tasks[0].topologyPolicy",
        "spec.tasks[0].policies",
        "spec.tasks[1].partitionPolicy",
    )


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"volumes": [{"mountPath": "/data", "volumeClaimName": "data"}]}, "spec.volumes"),
        ({"networkTopology": {"mode": "hard", "highestTierAllowed": 1}}, "spec.networkTopology"),
        ({"tasks": [task(dependsOn={"name": ["master"]})]}, "spec.tasks[0].dependsOn"),
        ({"tasks": [task(topologyPolicy="single-numa-node")]}, "spec.tasks[0].topologyPolicy"),
        (
            {
                "tasks": [
                    task(partitionPolicy={"totalPartitions": 4, "partitionSize": 2, "minPartitions": 2}, replicas=8)
                ]
            },
            "spec.tasks[0].partitionPolicy.minPartitions",
        ),
        ({"plugins": {"tensorflow": []}}, "spec.plugins.tensorflow"),
        ({"tasks": [task(minAvailable=2, replicas=1)]}, "spec.tasks[0].minAvailable"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_path(spec: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidObjectError) as error:
        job(**spec)
    assert error.value.path == path


def test_a_jobs_conditions_are_the_phases_it_went_through() -> None:
    began = JobStatus(state=JobState(phase="Pending", last_transition_time=START))
    pending = ConditionStatus(type="Pending", status="True")
    began = began.model_copy(update={"conditions": with_condition((), pending, START)})
    written = VOLCANO.job.encode_status(began)
    assert written["conditions"] == [{"status": "Pending", "lastTransitionTime": "2026-01-01T12:00:00Z"}]

    read = VOLCANO.job.decode_status(written)
    assert VOLCANO.job.encode_status(read) == written
    conditions = with_condition(read.conditions, ConditionStatus(type="Pending", status="False"), LATER)
    conditions = with_condition(conditions, ConditionStatus(type="Completed", status="True"), LATER)
    ended = read.model_copy(
        update={
            "state": JobState(phase="Completed", last_transition_time=LATER),
            "conditions": conditions,
            "task_status_count": {"worker": TaskStatus(phase={"Succeeded": 1})},
        }
    )
    written = VOLCANO.job.encode_status(ended)
    assert written["conditions"] == [
        {"status": "Pending", "lastTransitionTime": "2026-01-01T12:00:00Z"},
        {"status": "Completed", "lastTransitionTime": "2026-01-01T12:05:00Z"},
    ]
    assert written["runningDuration"] == "300s"
    assert written["taskStatusCount"] == {"worker": {"phase": {"Succeeded": 1}}}
    assert VOLCANO.job.encode_status(VOLCANO.job.decode_status(written)) == written


def test_a_phase_that_recurs_moves_to_the_end() -> None:
    told = [{"status": "Pending", "lastTransitionTime": "2026-01-01T12:00:00Z"}, {"status": "Running"}]
    read = VOLCANO.job.decode_status({"state": {"phase": "Running"}, "conditions": told})
    conditions = with_condition(read.conditions, ConditionStatus(type="Running", status="False"), LATER)
    conditions = with_condition(conditions, ConditionStatus(type="Pending", status="True"), LATER)
    again = read.model_copy(update={"state": JobState(phase="Pending"), "conditions": conditions})
    assert VOLCANO.job.encode_status(again)["conditions"] == [
        {"status": "Running"},
        {"status": "Pending", "lastTransitionTime": "2026-01-01T12:05:00Z"},
    ]


def test_what_keeps_a_job_back_stands_in_its_state_since_volcanos_conditions_have_no_room_for_it() -> None:
    invalid = ConditionStatus(type="Invalid", status="True", message="spec.volumes: …")
    status = JobStatus(
        state=JobState(phase="Pending", reason="Invalid", message="spec.volumes: …"), conditions=(invalid,)
    )
    written = VOLCANO.job.encode_status(status)
    assert written["state"] == {"phase": "Pending", "reason": "Invalid", "message": "spec.volumes: …"}
    assert written["conditions"] == []


@pytest.mark.parametrize(
    ("volcanos", "ours"),
    [
        ("Aborted", "Aborted"),
        ("Aborting", "Aborted"),
        ("Terminating", "Terminated"),
        ("Completing", "Completed"),
        ("Restarting", "Pending"),
    ],
)
def test_a_job_that_volcano_was_stopping_stays_stopped(volcanos: str, ours: str) -> None:
    assert job(status={"state": {"phase": volcanos}}).status.state.phase == ours


def test_what_volcano_alone_writes_is_kept() -> None:
    kept = {"controlledResources": {"plugin-env": "env"}, "runningDuration": "1m0s"}
    assert VOLCANO.job.encode_status(job(status=kept).status).items() >= kept.items()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_examples_read_without_a_field_that_has_no_effect(path: Path) -> None:
    kinds = {kind.resource.kind: kind for kind in (VOLCANO.queue, VOLCANO.job)}
    for body in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        kind = kinds[body["kind"]]
        assert body["apiVersion"] == kind.resource.api_version
        assert kind.decode(json.dumps(body).encode()).without_effect == ()
