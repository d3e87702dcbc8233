"""The quickstart is what it says: every file can be applied, and the jobs fit its cluster as its comments claim."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aiokai.dialects import AIOKAI
from aiokai.model.job import Job
from tests.support.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "quickstart"
OBJECTS: list[dict[str, Any]] = [
    body for path in sorted(FOLDER.glob("*.yaml")) for body in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
WHOLE_GPU_NODES = [8, 8]


def jobs() -> dict[str, Job]:
    decoded = [AIOKAI.job.decode(json.dumps(body).encode()) for body in OBJECTS if body["kind"] == "Job"]
    return {job.metadata.name: job for job in decoded}


def gpus(*wanted: Job) -> list[int]:
    """Whole GPUs of each pod."""
    return [
        task.template["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"]
        for job in wanted
        for task in job.spec.tasks
        for _ in range(task.replicas)
    ]


def fit(pods: list[int]) -> bool:
    """Whether the pods fit the nodes with whole GPUs, tried in every way."""

    def place(left: list[int], idle: tuple[int, ...]) -> bool:
        if not left:
            return True
        ways: Iterator[tuple[int, ...]] = (
            (*idle[:node], free - left[0], *idle[node + 1 :]) for node, free in enumerate(idle) if free >= left[0]
        )
        return any(place(left[1:], way) for way in ways)

    return place(pods, tuple(WHOLE_GPU_NODES))


def test_every_job_names_a_queue_of_the_quickstart() -> None:
    queues = [AIOKAI.queue.decode(json.dumps(body).encode()) for body in OBJECTS if body["kind"] == "Queue"]
    assert {job.spec.queue for job in jobs().values()} == {queue.metadata.name for queue in queues}


def test_queues_are_applied_before_the_jobs_that_name_them() -> None:
    kinds = [body["kind"] for body in OBJECTS]
    assert kinds.index("Job") == kinds.count("Queue")


def test_each_training_fits_alone_and_both_never_do() -> None:
    a, b = jobs()["train-a"], jobs()["train-b"]
    assert fit(gpus(a))
    assert fit(gpus(b))
    assert not fit(gpus(a, b))
    # Nor can each get a half and wait for the other: four pods are wanted at once.
    assert a.spec.min_member == b.spec.min_member == 4


def test_the_one_that_is_too_large_never_fits() -> None:
    assert not fit(gpus(jobs()["too-large"]))


@pytest.mark.realserver
def test_kubectl_applies_the_folder_and_finds_nothing_unknown_in_it(control_plane: ControlPlane) -> None:
    def kubectl(*words: str) -> str:
        command = ["kubectl", f"--kubeconfig={control_plane.kubeconfig}", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=60).stdout

    kubectl("apply", "-f", "crds")
    kubectl("wait", "--for=condition=Established", "-f", "crds")
    applied = kubectl("apply", "--validate=strict", "--dry-run=server", "-f", "examples/quickstart")
    assert applied.count("(server dry run)") == len(OBJECTS)
