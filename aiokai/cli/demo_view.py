"""How the demo looks: tables and bars of what its story knows."""

from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from aiokai.cli.demo_story import JobStory, Story

LATEST: Final = 7
_DOTS: Final = (("done", "●", "green"), ("running", "●", "cyan"), ("failed", "●", "red"), ("waiting", "○", "yellow"))
_PHASE_STYLE: Final = {"Pending": "yellow", "Running": "cyan", "Completed": "green", "Failed": "red"}
_FILLS: Final = " ▁▂▃▄▅▆▇█"


def live(story: Story, happened: list[tuple[float, str]], at_s: float) -> RenderableType:
    """The screen while it goes on."""
    latest = Text("\n").join(Text.assemble((f"{when:5.1f} s  ", "dim"), words) for when, words in happened[-LATEST:])
    return Group(
        Text.assemble(("aiokai demo", "bold"), (f"   {at_s:.0f} s", "dim")),
        jobs_table(story, at_s),
        nodes_table(story, peak=False),
        Panel(latest, title="what happened", title_align="left", box=box.ROUNDED, border_style="dim"),
    )


def jobs_table(story: Story, at_s: float | None = None) -> Table:
    """One line a Job.

    Args:
        story: what is known.
        at_s: now, to count on for those that still wait.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("job", "queue", "phase", "pods", "waited", "where", "GPUs"):
        table.add_column(column, justify="right" if column in ("waited", "GPUs") else "left", no_wrap=column != "where")
    for job in story.jobs.values():
        phase = Text(job.phase or "…", style=_PHASE_STYLE.get(job.phase, ""))
        table.add_row(job.name, job.queue, phase, _dots(job), _waited(job, at_s), where(job), gpus(job))
    return table


def nodes_table(story: Story, *, peak: bool) -> Table:
    """One line a node: each card a cell, as full as it is, or was at most."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("node", no_wrap=True)
    table.add_column("GPUs, at most" if peak else "GPUs", no_wrap=True)
    table.add_column("used", justify="right", no_wrap=True)
    for node in sorted(story.nodes.values(), key=lambda node: node.name):
        cells = node.peak if peak else node.now
        kind = "shared cards" if node.shared else "whole cards"
        used = f"{_number(sum(cells))} of {len(cells)} {kind}"
        table.add_row(node.name, Text(bar(cells), style="cyan"), used)
    return table


def bar(cells: list[float]) -> str:
    """Two characters a card, as high as it is full: `│██│▂▂│  │`."""
    return "│" + "│".join(2 * _FILLS[min(8, round(8 * cell + 0.49))] for cell in cells) + "│" if cells else ""


def where(job: JobStory) -> str:
    """Nodes with the number of pods on each, and how many cards they share."""
    if not job.nodes:
        return "–"
    nodes = ", ".join(f"{count}× {node}" for node, count in sorted(job.nodes.items()))
    return f"{nodes}, {len(job.cards)} card{'s' * (len(job.cards) != 1)}" if job.cards else nodes


def gpus(job: JobStory) -> str:
    return _number(job.gpus) if job.nodes else "–"


def _dots(job: JobStory) -> Text:
    text = Text()
    for state, dot, style in _DOTS:
        text.append(dot * job.states[state], style)
    missing = job.replicas - sum(job.states.values())
    return text.append("·" * max(0, missing), "dim")


def _waited(job: JobStory, at_s: float | None) -> str:
    if job.waited_s is not None:
        return f"{job.waited_s:.1f} s"
    return "waits" if at_s is None else f"{at_s - job.applied_s:.0f} s…"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
