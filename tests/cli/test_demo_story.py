"""The demo tells what has happened, and how it looks."""

import io
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from aiokai.cli.demo_story import EXPECTED, Story
from aiokai.cli.demo_view import bar, jobs_table, nodes_table
from aiokai.devices.vgpu import ALLOCATED, REGISTER
from aiokai.model.base import Custom
from aiokai.model.job import Job, JobSpec, JobState, JobStatus
from aiokai.model.kube import Container, Node, NodeStatus, ObjectMeta, Pod, PodSpec, PodStatus, ResourceRequirements

CARDS = "GPU-a,10,81920,A100,true,hami-core:GPU-b,10,81920,A100,true,hami-core:"


def a_job(name: str, phase: str, replicas: int = 2, message: str = "") -> Job:
    container = {"name": "main", "resources": {}}
    spec = JobSpec.model_validate(
        {
            "queue": "research",
            "tasks": [{"name": "w", "replicas": replicas, "template": {"spec": {"containers": [container]}}}],
        }
    )
    status = JobStatus(state=JobState(phase=phase, message=message, last_transition_time=datetime.now(UTC)))
    return Custom("aiokai", ObjectMeta(name=name, namespace="default"), spec, status)


def a_pod(job: str, index: int, phase: str, node: str = "", gpus: int = 0, card: str = "") -> Pod:
    meta = ObjectMeta(
        name=f"{job}-w-{index}",
        labels={"aiokai.io/job": job},
        annotations={ALLOCATED: f"{card},NVIDIA,4096,25:;"} if card else None,
    )
    limits: dict[str, Any] = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    return Pod(
        meta,
        PodSpec(node_name=node, containers=(Container("main", ResourceRequirements(limits=limits)),)),
        PodStatus(phase),
    )


def nodes() -> list[Node]:
    return [
        Node(ObjectMeta(name="gpu-0"), status=NodeStatus({"nvidia.com/gpu": "4"})),
        Node(ObjectMeta(name="vgpu-0", annotations={REGISTER: CARDS})),
    ]


def drawn(story: Story) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(jobs_table(story))
    console.print(nodes_table(story, peak=True))
    return console.export_text()


def test_a_gang_is_told_of_when_it_runs_and_when_it_has_ended() -> None:
    story = Story()
    assert story.observe(0.0, [a_job("train-a", "Pending")], [], nodes()) == ["train-a is queued in research"]
    pods = [a_pod("train-a", i, "Running", "gpu-0", gpus=1) for i in range(2)]
    assert story.observe(3.0, [a_job("train-a", "Running")], pods, nodes()) == [
        "train-a runs, all 2 pods at once: 2 on gpu-0"
    ]
    assert story.observe(4.0, [a_job("train-a", "Running")], pods, nodes()) == []
    done = [a_pod("train-a", i, "Succeeded", "gpu-0", gpus=1) for i in range(2)]
    assert story.observe(9.0, [a_job("train-a", "Completed")], done, nodes()) == ["train-a has completed"]
    text = drawn(story)
    assert "3.0 s" in text
    assert "2× gpu-0" in text
    assert "2 of 4 whole cards" in text


def test_shares_of_a_card_are_added_up() -> None:
    story = Story()
    pods = [a_pod("inference", i, "Running", "vgpu-0", card="GPU-b") for i in range(3)]
    story.observe(1.0, [a_job("inference", "Running", replicas=3)], pods, nodes())
    assert story.nodes["vgpu-0"].now == [0.0, 0.75]
    assert "3× vgpu-0, 1 card" in drawn(story)
    assert "0.75 of 2 shared cards" in drawn(story)


def test_it_is_over_when_everyone_is_where_they_should_be() -> None:
    story = Story()
    jobs = [a_job(name, phase, message="no room" if phase == "Pending" else "") for name, phase in EXPECTED.items()]
    story.observe(1.0, jobs[:-1], [], nodes())
    assert not story.is_over()
    story.observe(2.0, jobs, [], nodes())
    assert story.is_over()
    story.observe(3.0, [a_job("train-b", "Failed")], [], nodes())
    assert story.has_gone_wrong()
    assert not story.is_over()


def test_a_gang_that_should_wait_must_say_why() -> None:
    story = Story()
    story.observe(1.0, [a_job("too-large", "Pending")], [], nodes())
    assert not story.as_expected("too-large")
    story.observe(1.0, [a_job("too-large", "Pending", message="it can never fit")], [], nodes())
    assert story.as_expected("too-large")


def test_a_bar_shows_how_full_each_card_is() -> None:
    assert bar([0.0, 0.25, 1.0]) == "│  │▂▂│██│"
    assert bar([0.01]) == "│▁▁│"
    assert bar([]) == ""
