"""Compare what came of a case with what was expected of it.

A single expectation is compared after the last cycle, a list of them cycle by cycle. What is not named must have had
no decision: in that cycle, or for a single expectation in any.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiokai.model.quantity import quantity_to_base
from aiokai.simulator.replay import CycleOutcome, GangOutcome, TaskOutcome
from aiokai.snapshot.case import Case, Named, PodKey
from aiokai.snapshot.case_expect import Expectation, Expected


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that is not as expected; `reason` is what the gang is told, if it is told something."""

    cycle: int
    name: str
    wanted: str
    got: str
    reason: str = ""


def check(case: Case, outcomes: Sequence[CycleOutcome]) -> list[Mismatch]:
    """Everything that is not as the case expects; nothing if it expects nothing."""
    expected = case.expect or ()
    if len(expected) == case.cycles:
        pairs = [(one, [outcome]) for one, outcome in zip(expected, outcomes, strict=True)]
    else:
        pairs = [(one, list(outcomes)) for one in expected]
    return [mismatch for one, seen in pairs for mismatch in _Check(case, one, seen).mismatches()]


class _Check:
    """One expectation against the cycles that it is about, the last of which it describes."""

    def __init__(self, case: Case, expectation: Expectation, seen: Sequence[CycleOutcome]) -> None:
        self._case = case
        self._expectation = expectation
        self._seen = seen
        self._last = seen[-1]

    def mismatches(self) -> Iterator[Mismatch]:
        named: set[PodKey] = set()
        for name, expected in self._expectation.of.items():
            what = self._case.names[name]
            named |= set(what.pods)
            yield from self._compare(name, what, expected)
        yield from self._unnamed(named)
        for name, shares in self._expectation.queues.items():
            yield from self._shares(name, shares)

    def _compare(self, name: str, what: Named, expected: Expected) -> Iterator[Mismatch]:
        tasks = [self._last.tasks[pod] for pod in what.pods if pod in self._last.tasks]
        told = [self._last.gangs.get(gang, GangOutcome()) for gang in what.gangs]
        got, why = _shown(tasks), next((f"{one.reason}: {one.message}" for one in told if one.reason), "")
        if not all(self._holds(expected, tasks)):
            yield Mismatch(self._last.number, name, _wanted(expected), got, why)
        spoken = [one for one in told if one.reason]
        for field, wanted, values in (
            ("reason", expected.reason, [f"{one.reason} {one.message}" for one in spoken]),
            ("message", expected.message, [one.message for one in spoken]),
            ("phase", expected.phase or "", [one.phase for one in told]),
        ):
            if wanted and not (values and all(_says(field, value, wanted) for value in values)):
                shown = next((v.partition(" ")[0] if field == "reason" else v for v in values), "") or "none"
                yield Mismatch(self._last.number, name, f"{field} {wanted}", f"{field} {shown}", why)

    def _holds(self, expected: Expected, tasks: Sequence[TaskOutcome]) -> Iterator[bool]:
        """Each thing that must hold of the tasks."""
        counts = expected.counts
        if expected.word:
            # Pods that are not made yet wait too.
            yield all(self._is(task, expected.word) for task in tasks) if tasks else expected.word == "pending"
        elif expected.on is None or counts:
            yield all(self._count(tasks, word, counts) == count for word, count in counts.items())
            yield not any(task.decided and not any(self._is(task, word) for word in counts) for task in tasks)
        if expected.on is not None:
            used = {task.node for task in tasks if task.node and (not counts or self._named_in(task, counts))}
            yield used == set(expected.on)
        if expected.devices is not None:
            yield {place for task in tasks for place in task.devices} == set(expected.devices)
        if expected.moved is not None:
            yield not expected.moved  # no action moves a task yet

    def _named_in(self, task: TaskOutcome, counts: Mapping[str, int]) -> bool:
        return any(self._is(task, word) for word in counts)

    def _count(self, tasks: Sequence[TaskOutcome], word: str, counts: Mapping[str, int]) -> int:
        """Where bound is counted by itself, running is nothing else."""
        if "bound" in counts:
            return sum(task.state == word for task in tasks)
        return sum(self._is(task, word) for task in tasks)

    def _is(self, task: TaskOutcome, word: str) -> bool:
        """With several cycles, what has just been bound is as good as running."""
        return task.state == word or (word == "running" and task.state == "bound" and self._case.cycles > 1)

    def _unnamed(self, named: set[PodKey]) -> Iterator[Mismatch]:
        for outcome in self._seen:
            decided = {pod: task for pod, task in outcome.tasks.items() if task.decided and pod not in named}
            for (namespace, name), task in decided.items():
                shown = name if name in self._case.names else f"{namespace}/{name}"
                yield Mismatch(outcome.number, shown, "no decision", _shown([task]))

    def _shares(self, name: str, wanted: Mapping[str, str]) -> Iterator[Mismatch]:
        got = self._last.fair_shares.get(name, {})
        for resource, amount in wanted.items():
            has = got.get(resource, "0")
            if quantity_to_base(resource, amount) != quantity_to_base(resource, has):
                shown = f"fair share of {resource}: "
                yield Mismatch(self._last.number, f"queue {name}", shown + amount, shown + has)


def _says(field: str, value: str, wanted: str) -> bool:
    """A reason is told by its title; what stands behind that, and a message, is a part of what people read."""
    if field != "reason":
        return value == wanted if field == "phase" else wanted in value
    title, _, rest = wanted.partition(" ")
    return value.partition(" ")[0] == title and rest in value


def _wanted(expected: Expected) -> str:
    parts = [expected.word] if expected.word else [f"{count} {word}" for word, count in expected.counts.items()]
    text = ", ".join(parts) or "no decision"
    if expected.on is not None:
        text = f"{text if parts else ''} on {', '.join(expected.on) or 'no node'}".strip()
    if expected.devices is not None:
        text += f", devices {', '.join(map(str, expected.devices)) or 'none'}"
    return text + (", moved" if expected.moved else "")


def _shown(tasks: Sequence[TaskOutcome]) -> str:
    """`3 bound on n0, n1; 1 pending`."""
    if not tasks:
        return "no such pods"
    counts = Counter(task.state for task in tasks)
    parts = []
    for state, count in counts.items():
        nodes = sorted({task.node for task in tasks if task.state == state and task.node})
        cards = sorted({place for task in tasks if task.state == state for place in task.devices})
        part = f"{count} {state}" + (f" on {', '.join(nodes)}" if nodes else "")
        parts.append(part + (f" devices {', '.join(map(str, cards))}" if cards else ""))
    return "; ".join(parts)
