"""The one Job controller at work on a Job of Volcano."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec

from aiokai.controllers.changes import Answer, Changes
from aiokai.controllers.job import JobChildren, reconcile
from aiokai.dialects import VOLCANO
from aiokai.model.configuration import Configuration, DialectChoice
from aiokai.model.kube import Pod
from tests.controllers.world import task

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWN = Configuration(dialects=(DialectChoice(name="volcano", scheduler_names=("volcano",)),))


def body(**spec: Any) -> dict[str, Any]:
    metadata = {
        "name": "train",
        "namespace": "lab",
        "uid": "u1",
        "annotations": {"volcano.sh/preemptable": "true", "other": "no"},
    }
    return {"metadata": metadata, "spec": {"queue": "research", "tasks": [task()], **spec}}


def look(job: dict[str, Any], children: JobChildren | None = None, answers: dict[str, Answer] | None = None) -> Changes:
    return reconcile(job, children or JobChildren(), answers or {}, NOW, VOLCANO, OWN)


def tried(job: dict[str, Any]) -> dict[str, Answer]:
    """The API server has taken the trial pods."""
    return {
        create.key: Answer(201, NOW, pod=msgspec.convert(json.loads(json.dumps(create.body)), Pod))
        for create in look(job).dry_run
    }


def test_a_job_is_ours_only_if_it_names_a_scheduler_that_is_listed() -> None:
    assert look(body())
    assert look(body(schedulerName="volcano"))
    assert look(body(schedulerName="volcano-b")) == Changes()
    assert reconcile(body(), JobChildren(), {}, NOW, VOLCANO, Configuration()) == Changes()


def test_a_pod_group_of_volcanos_is_made_for_it() -> None:
    (create,) = look(body(), answers=tried(body())).create
    made = create.body
    assert (made["apiVersion"], made["kind"]) == ("scheduling.volcano.sh/v1beta1", "PodGroup")
    assert made["metadata"]["name"] == "train-u1"
    assert made["metadata"]["ownerReferences"][0]["apiVersion"] == "batch.volcano.sh/v1alpha1"
    assert made["spec"] == {
        "minMember": 1,
        "minTaskMember": {"worker": 1},
        "minResources": {"cpu": "1"},
        "queue": "research",
    }


def test_its_pods_carry_what_volcanos_tools_look_for() -> None:
    (trial,) = look(body()).dry_run
    metadata = trial.body["metadata"]
    both = {"volcano.sh/task-spec": "worker", "volcano.sh/task-index": "0", "volcano.sh/job-name": "train"}
    assert metadata["labels"] == {
        **both,
        "volcano.sh/job-namespace": "lab",
        "volcano.sh/queue-name": "research",
    }
    assert metadata["annotations"] == {
        **both,
        "scheduling.k8s.io/group-name": "train-u1",
        "scheduling.volcano.sh/queue-name": "research",
        "volcano.sh/queue-name": "research",
        "volcano.sh/job-version": "0",
        "volcano.sh/job-retry-count": "0",
        "volcano.sh/template-uid": "train-worker",
        "volcano.sh/preemptable": "true",
    }
    assert trial.body["spec"]["schedulerName"] == "volcano"


def test_fields_without_effect_are_told_once() -> None:
    told = body(policies=[{"event": "PodEvicted", "action": "RestartJob"}])
    changes = look(told, answers=tried(told))
    (event,) = changes.events
    assert (event.type, event.reason) == ("Warning", "FieldsWithoutEffect")
    assert event.message.endswith(": spec.policies")
    assert changes.status
    assert not look({**told, "status": changes.status}, answers=tried(told)).events


def test_a_running_job_that_can_no_longer_be_read_stays_running() -> None:
    told = body(volumes=[{"mountPath": "/data"}])
    told["status"] = {"state": {"phase": "Running"}, "conditions": [{"status": "Running"}]}
    changes = look(told)
    assert changes.status is not None
    assert changes.status["state"]["reason"] == "Invalid"
    assert "phase" not in changes.status["state"]
