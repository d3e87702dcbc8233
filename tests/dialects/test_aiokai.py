import json
from datetime import UTC, datetime

import pytest

from aiokai.dialects import AIOKAI, DIALECTS
from aiokai.errors import InvalidObjectError
from aiokai.model.conditions import ConditionStatus
from aiokai.model.job import JobState, JobStatus, TaskStatus
from aiokai.model.pod_group import PodGroupSpec

CONTAINERS = [{"name": "main", "image": "busybox"}]
JOB = {
    "metadata": {"name": "train"},
    "spec": {"tasks": [{"name": "worker", "template": {"spec": {"containers": CONTAINERS}}}]},
}


def test_the_native_dialect_is_found_by_its_name() -> None:
    assert DIALECTS["aiokai"] is AIOKAI
    assert [str(resource) for resource in AIOKAI.resources] == [
        "queues.aiokai.io",
        "podgroups.aiokai.io",
        "jobs.aiokai.io",
    ]


def test_objects_read_as_the_model() -> None:
    job = AIOKAI.job.decode(json.dumps(JOB).encode())
    assert (str(job.identity), job.dialect, job.spec.tasks[0].name) == ("train", "aiokai", "worker")


def test_what_takes_the_name_to_decide_is_checked_on_the_way_in() -> None:
    with pytest.raises(InvalidObjectError, match=r"spec\.parent: a queue is not its own parent"):
        AIOKAI.queue.decode(b'{"metadata": {"name": "a"}, "spec": {"parent": "a"}}')


def test_a_status_is_written_without_nothings_but_with_its_zeros() -> None:
    since = datetime(2026, 1, 1, 12, 30, 15, 999_999, tzinfo=UTC)
    status = JobStatus(
        state=JobState(phase="Running", last_transition_time=since),
        running=2,
        task_status_count={"worker": TaskStatus(phase={"Running": 2, "Pending": 0}), "master": TaskStatus()},
        conditions=(ConditionStatus(type="Running", status="True", last_transition_time=since),),
    )
    assert AIOKAI.job.encode_status(status) == {
        "state": {"phase": "Running", "lastTransitionTime": "2026-01-01T12:30:15Z"},
        "minAvailable": 0,
        "taskStatusCount": {"worker": {"phase": {"Running": 2, "Pending": 0}}},
        "pending": 0,
        "running": 2,
        "succeeded": 0,
        "failed": 0,
        "terminating": 0,
        "unknown": 0,
        "version": 0,
        "retryCount": 0,
        "conditions": [{"type": "Running", "status": "True", "lastTransitionTime": "2026-01-01T12:30:15Z"}],
    }


def test_a_spec_reads_back_as_it_was_written() -> None:
    spec = PodGroupSpec.model_validate(
        {"minMember": 0, "minResources": {"nvidia.com/gpu": 12, "cpu": "500m"}, "stalenessGracePeriod": "1h30m"}
    )
    written = AIOKAI.pod_group.encode_spec(spec)
    assert written["stalenessGracePeriod"] == "5400s"
    assert PodGroupSpec.model_validate(written) == spec
