"""The demo, from an empty machine to the last table."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from aiokai.cli import demo_view
from aiokai.cli.demo_story import EXPECTED, Story
from aiokai.cli.files import cache_folder, documents, shipped
from aiokai.cli.playground import Playground, playground
from aiokai.client.api import ApiClient
from aiokai.client.discovery import resource_of
from aiokai.dialects import AIOKAI
from aiokai.model.job import JobPhase
from aiokai.model.kube import Node, Pod
from aiokai.model.resource import NODES, PODS, Resource

LIMIT_S: Final = 90.0
LOOK_EVERY_S: Final = 0.15

T = TypeVar("T")


async def run_demo() -> bool:
    """Run it.

    Returns: whether everything ended as it should.

    Raises:
        AiokaiError: something did not start.
    """
    console = Console()
    log = cache_folder() / "demo-operator.log"
    console.print("[bold]aiokai demo[/]: gangs, queues and shared GPUs, on this machine\n")
    with log.open("wb") as sink:
        async with playground(log=sink, say=lambda words: console.print(f"  {words}")) as cluster:
            await _wait_for_operator(cluster, log, console)
            story = await _watch(cluster, console)
    as_it_should = _conclude(story, console)
    if not as_it_should:
        console.print(f"\nThe operator's log: {log}")
    return as_it_should


async def _wait_for_operator(cluster: Playground, log: Path, console: Console) -> None:
    """Show what the operator says of its kernels, which take a minute the first time and nothing later."""
    with console.status("the operator starts") as status:
        waiting = asyncio.ensure_future(cluster.operator.wait_until_ready())
        while not waiting.done():
            if compiling := _compiling(log):
                status.update(f"{compiling} (only the first time)")
            await asyncio.wait((waiting,), timeout=LOOK_EVERY_S)
        await waiting
    console.print("  aiokai operator ready\n")


def _compiling(log: Path) -> str:
    """The last thing that the operator said of a kernel."""
    lines = log.read_text(errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.startswith("compiling")), "")


async def _watch(cluster: Playground, console: Console) -> Story:
    """Apply the quickstart and look on, until everything is where it should end or nothing more is to be hoped."""
    began_s = time.monotonic()
    story, happened = Story(), list[tuple[float, str]]()
    async with _stage(console) as show:
        for manifest in documents(shipped("examples") / "quickstart"):
            await apply(cluster.client, manifest)
        while not (story.is_over() or story.has_gone_wrong()):
            at_s = time.monotonic() - began_s
            if at_s > LIMIT_S:
                break
            jobs, pods, nodes = await _look(cluster.client)
            news = [(at_s, words) for words in story.observe(at_s, jobs, pods, nodes)]
            happened += news
            show(demo_view.live(story, happened, at_s), news)
            await asyncio.sleep(LOOK_EVERY_S)
    return story


Show = Callable[[RenderableType, list[tuple[float, str]]], None]


@asynccontextmanager
async def _stage(console: Console) -> AsyncIterator[Show]:
    """Where the story is shown: one screen that changes on a terminal, a line for each event elsewhere."""
    if not console.is_terminal:

        def tell(_: RenderableType, news: list[tuple[float, str]]) -> None:
            for when, words in news:
                console.print(f"{when:5.1f} s  {words}")

        yield tell
        return
    with Live(console=console, auto_refresh=False, transient=True) as screen:
        yield lambda view, _: screen.update(view, refresh=True)


async def _look(client: ApiClient) -> tuple[list[Any], list[Pod], list[Node]]:
    job = AIOKAI.job
    return (
        await _list(client, job.resource, job.decode),
        await _list(client, PODS, msgspec.json.Decoder(Pod).decode),
        await _list(client, NODES, msgspec.json.Decoder(Node).decode),
    )


async def _list(client: ApiClient, resource: Resource, decode: Callable[[bytes], T]) -> list[T]:
    found: list[T] = []
    async for page in client.list_pages(resource, into=msgspec.Raw):
        found += [decode(bytes(raw)) for raw in page.items]
    return found


async def apply(client: ApiClient, manifest: dict[str, Any]) -> None:
    """Create what a manifest says."""
    resource = await resource_of(client, manifest["apiVersion"], manifest["kind"])
    namespace = manifest["metadata"].get("namespace", "default") if resource.namespaced else ""
    await client.create(resource, manifest, namespace, into=bytes)


def _conclude(story: Story, console: Console) -> bool:
    """Print what came of it, in tables and in words."""
    console.print(demo_view.jobs_table(story))
    console.print(demo_view.nodes_table(story, peak=True))
    sentences = list(_sentences(story))
    for holds, words in sentences:
        console.print(Text.assemble(("✔ ", "green") if holds else ("✘ ", "red bold"), words))
    return all(holds for holds, _ in sentences)


def _sentences(story: Story) -> list[tuple[bool, str]]:
    """What the demo is meant to show, each with whether it was so."""
    told: list[tuple[bool, str]] = []
    for name, phase in EXPECTED.items():
        if not story.as_expected(name):
            job = story.jobs.get(name)
            told.append((False, f"{name} should be {phase}, and is {job.phase if job else 'missing'}"))
    if told:
        return told
    inference, hopeless = story.jobs["inference"], story.jobs["too-large"]
    return [
        (len(inference.cards) == 1, f"inference: {inference.replicas} pods shared {_cards(len(inference.cards))}."),
        (not story.training_together, "train-a and train-b: only one fits; the other waited without a single pod."),
        (
            hopeless.phase == JobPhase.PENDING and bool(hopeless.message),
            f"too-large waits, in nobody's way, and says why: {hopeless.message}",
        ),
    ]


def _cards(count: int) -> str:
    return "one card" if count == 1 else f"{count} cards"
