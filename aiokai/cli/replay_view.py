"""How a replay looks: a table for people, one JSON object for programs."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from aiokai.model.pod_group import GangKey
from aiokai.simulator.check import Mismatch
from aiokai.simulator.replay import CycleOutcome, GangOutcome, TaskOutcome
from aiokai.snapshot.case import Case, PodKey
from aiokai.snapshot.reading import natural_order

Row = tuple[str, ...]

_COLOURS: Final = {"bound": "green", "pipelined": "yellow", "evicted": "red", "pending": "dim"}
_ORDER: Final = ("bound", "pipelined", "evicted", "running", "releasing", "pending", "succeeded", "failed")


def show(
    case: Case, outcomes: Sequence[CycleOutcome], mismatches: Sequence[Mismatch] | None, *, titled: bool = False
) -> None:
    """Print what was decided and why, cycle by cycle; then what is not as expected, if that was asked for."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if titled or case.why:
        console.print(f"{case.source}: {case.why.strip()}" if titled and case.why else case.why.strip() or case.source)
    for outcome in outcomes:
        if len(outcomes) > 1:
            console.print(f"\ncycle {outcome.number}  {outcome.now.isoformat()}")
        _print_table(console, ("GANG", "TASKS", "STATE", "WHERE", "WHY"), _rows(case, outcome))
    shares = [(name, resource, amount) for name, told in outcomes[-1].fair_shares.items()
              for resource, amount in told.items() if resource != "pods"]  # fmt: skip
    if shares and len(outcomes[-1].fair_shares) > 1:
        console.print()
        _print_table(console, ("QUEUE", "RESOURCE", "FAIR SHARE"), shares)
    if mismatches is not None:
        _print_mismatches(console, mismatches)


def _print_mismatches(console: Console, mismatches: Sequence[Mismatch]) -> None:
    console.print()
    if not mismatches:
        console.print("as expected", style="green")
        return
    console.print(f"{len(mismatches)} not as expected", style="red")
    rows = [(one.name, str(one.cycle), one.wanted, one.got, one.reason or "-") for one in mismatches]
    _print_table(console, ("NAME", "CYCLE", "WANTED", "GOT", "REASON"), rows)


def _print_table(console: Console, head: Row, rows: Iterable[Row]) -> None:
    """Coloured and fitted on a terminal; elsewhere aligned, one line a row, whatever its length."""
    rows = list(rows)
    if console.is_terminal:
        table = Table(*head, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*row, style=next((_COLOURS[cell] for cell in row if cell in _COLOURS), None))
        console.print(table, soft_wrap=False)
        return
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head) - 1)]
    for row in (head, *rows):
        console.print(
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        )


def _rows(case: Case, outcome: CycleOutcome) -> Iterable[Row]:
    """A row for each state that tasks of a gang are in; what was decided first."""
    for key, pods in _members(case, outcome).items():
        told = outcome.gangs.get(key, GangOutcome())
        why = f"{told.reason}: {told.message}" if told.reason else ""
        tasks = [outcome.tasks[pod] for pod in pods]
        if not tasks:
            yield (_name(case, key), "0", told.phase or "pending", "-", why or "-")
        for state in sorted({task.state for task in tasks}, key=_ORDER.index):
            inside = [task for task in tasks if task.state == state]
            waits = state in ("pending", "pipelined")
            yield (_name(case, key), str(len(inside)), state, _where(inside), (why if waits else "") or "-")


def _members(case: Case, outcome: CycleOutcome) -> dict[GangKey, list[PodKey]]:
    """The tasks of each gang, in natural order."""
    members: dict[GangKey, set[PodKey]] = {}
    for named in case.names.values():
        for gang in named.gangs:
            pods = members.setdefault(gang, set())
            if len(named.gangs) == 1:
                pods.update(pod for pod in named.pods if pod in outcome.tasks)
    return {
        key: sorted(members[key], key=lambda pod: natural_order(pod[1]))
        for key in sorted(members, key=lambda key: (key.namespace, natural_order(key.name)))
    }


def _name(case: Case, key: GangKey) -> str:
    named = case.names.get(key.name)
    return key.name if named is not None and key in named.gangs else str(key)


def _where(tasks: Sequence[TaskOutcome]) -> str:
    """`n0 ×4, n1 ×2`, with the places of cards: `v0[0] ×4`."""
    places = Counter(
        task.node + (f"[{','.join(map(str, task.devices))}]" if task.devices else "") for task in tasks if task.node
    )
    parts = [
        place if count == 1 else f"{place} ×{count}"
        for place, count in sorted(places.items(), key=lambda item: natural_order(item[0]))
    ]
    return ", ".join(parts) or "-"


def as_json(case: Case, outcomes: Sequence[CycleOutcome], mismatches: Sequence[Mismatch] | None) -> str:
    """The same for programs, in one line."""
    told: dict[str, Any] = {"file": case.source, "cycles": [_cycle(case, outcome) for outcome in outcomes]}
    if mismatches is not None:
        told["mismatches"] = [
            {"cycle": one.cycle, "name": one.name, "wanted": one.wanted, "got": one.got, "reason": one.reason}
            for one in mismatches
        ]
    return json.dumps(told)


def _cycle(case: Case, outcome: CycleOutcome) -> dict[str, Any]:
    gangs = []
    for key, pods in _members(case, outcome).items():
        told = outcome.gangs.get(key, GangOutcome())
        tasks = [_task(name, outcome.tasks[namespace, name]) for namespace, name in pods]
        gangs.append(
            {"namespace": key.namespace, "name": key.name, "phase": told.phase, "reason": told.reason,
             "message": told.message, "tasks": tasks}
        )  # fmt: skip
    shares = {name: dict(told) for name, told in outcome.fair_shares.items()}
    return {"number": outcome.number, "now": outcome.now.isoformat(), "gangs": gangs, "fairShares": shares}


def _task(name: str, task: TaskOutcome) -> dict[str, Any]:
    return {
        "name": name,
        "state": task.state,
        "node": task.node,
        "devices": list(task.devices),
        "decided": task.decided,
    }
