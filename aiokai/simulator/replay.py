"""Decide a case, cycle by cycle, and tell what came of it for every task, gang and queue.

The decisions are those of `aiokai.scheduler`, on a Cache filled from the file. Each outcome is as it stands after the
cycle's decisions and before the world answers them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiokai.devices.vgpu import REGISTER, parse_grants, parse_registration
from aiokai.errors import ConfigError, DumpError, InvalidObjectError
from aiokai.model import kube
from aiokai.model.conditions import ConditionStatus
from aiokai.model.pod_group import GangKey
from aiokai.plugins import make_plugins
from aiokai.scheduler import Memo, schedule
from aiokai.session.decisions import Decisions, GangDecision
from aiokai.session.report import SCHEDULED
from aiokai.simulator.invariants import check_invariants, copy_of
from aiokai.simulator.world import World
from aiokai.snapshot.case import Case, PodKey

_STATES: Final = {"Succeeded": "succeeded", "Failed": "failed"}


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """Where one task stands.

    Attributes:
        state: one of the words of an expectation.
        node: empty without one.
        devices: places on the node of the shared cards that it has or gets.
        decided: True if this cycle decided it.
    """

    state: str
    node: str = ""
    devices: tuple[int, ...] = ()
    decided: bool = False


@dataclass(frozen=True, slots=True)
class GangOutcome:
    """What a gang is told: why it, or what is left of it, waits; and its phase, empty for a lone pod."""

    reason: str = ""
    message: str = ""
    phase: str = ""


@dataclass(frozen=True, slots=True)
class CycleOutcome:
    """Everything that one cycle came to, by name."""

    number: int
    now: datetime
    tasks: Mapping[PodKey, TaskOutcome]
    gangs: Mapping[GangKey, GangOutcome]
    fair_shares: Mapping[str, Mapping[str, str]]


def replay(case: Case, *, validate: bool = False) -> Iterator[CycleOutcome]:
    """Run the case's cycles; each outcome is yielded when it is known.

    Args:
        case: what to decide.
        validate: also look for what must never happen, whatever is expected.

    Raises:
        AssertionError: it happened.
        DumpError: the configuration names a plugin that nobody knows.
    """
    _check_plugins(case)
    world, memo = World(case), Memo()
    for number in range(1, case.cycles + 1):
        snapshot, ledger = world.snapshot()
        found = copy_of(ledger) if validate else None
        decisions, memo = schedule(snapshot, ledger, case.configuration.profile, memo)
        if found is not None:
            check_invariants(snapshot, found, ledger)
        yield _outcome(number, case, world, decisions)
        if number < case.cycles:
            world.answer(decisions, case.configuration.cycle.period)


def _check_plugins(case: Case) -> None:
    try:
        make_plugins(case.configuration.profile)
    except ConfigError as error:
        told = str(error).removeprefix("profiles[0].")
        raise DumpError(f"{case.source}: config.{told}") from error


def _outcome(number: int, case: Case, world: World, decisions: Decisions) -> CycleOutcome:
    places = _Places(case)
    tasks = {key: places.found(pod) for key, pod in world.pods.items()}
    tasks |= {
        _key(pod): TaskOutcome("pending") for pods in case.later.values() for pod in pods if _key(pod) not in tasks
    }
    told = {decision.gang: decision for decision in decisions.gangs}
    for decision in decisions.gangs:
        for bind in decision.binds:
            tasks[bind.namespace, bind.name] = TaskOutcome("bound", bind.node, bind.devices, decided=True)
        for one in decision.nominations:
            tasks[one.namespace, one.name] = TaskOutcome("pipelined", one.node, one.devices, decided=True)
    gangs = {key: _gang(world, key, told.get(key)) for key in {*world.groups, *told}}
    return CycleOutcome(number, world.now, tasks, gangs, world.fair_shares(decisions))


def _gang(world: World, key: GangKey, decision: GangDecision | None) -> GangOutcome:
    group = world.groups.get(key)
    status = decision.status if decision and decision.status else group.status if group else None
    phase = status.phase if status else ""
    if decision is not None and decision.verdict is not None:
        return GangOutcome(decision.verdict.reason.title, decision.verdict.message, phase)
    conditions = status.conditions if status else ()
    unmet = next(
        (c for c in conditions if c.type == SCHEDULED and c.status == "False"), ConditionStatus(type="", status="")
    )
    return GangOutcome(unmet.reason, unmet.message, phase)


class _Places:
    """Tells where the cards of a pod are on its node."""

    def __init__(self, case: Case) -> None:
        self._nodes = {node.metadata.name: node for node in case.objects.nodes}

    def found(self, pod: kube.Pod) -> TaskOutcome:
        """A task as the cycle found it."""
        node = pod.spec.node_name
        if state := _STATES.get(pod.status.phase):
            return TaskOutcome(state, node)
        if not node:
            return TaskOutcome("pending")
        state = "running" if pod.status.phase == "Running" else "bound"
        if pod.metadata.deletion_timestamp is not None:
            state = "releasing"
        return TaskOutcome(state, node, self._devices(pod))

    def _devices(self, pod: kube.Pod) -> tuple[int, ...]:
        node = self._nodes.get(pod.spec.node_name)
        try:
            grants = parse_grants(pod.metadata.annotations)
            cards = parse_registration(((node.metadata.annotations or {}) if node else {}).get(REGISTER, ""))
        except InvalidObjectError:
            return ()
        place = {card.uuid: i for i, card in enumerate(cards)}
        return tuple(place[grant.uuid] for grant in grants if grant.uuid in place)


def _key(pod: kube.Pod) -> PodKey:
    return pod.metadata.namespace, pod.metadata.name
