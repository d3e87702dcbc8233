"""Naive twins of the kernels: plain Python on dicts and lists, the obvious way, with no thought for speed."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from aiokai.kernels.place import Static, Weights
from aiokai.model.reasons import Reason
from aiokai.snapshot.arrays import GPU_COLUMN, Facts, Ledger, TaskState

Card = list[int]
"""Slots, memory, cores."""


def fits(request: Sequence[int], idle: Sequence[int], releasing: Sequence[int], pipeline: bool) -> bool:
    rooms = [i + r if pipeline else min(i, i + r) for i, r in zip(idle, releasing, strict=True)]
    return all(wanted <= room for wanted, room in zip(request, rooms, strict=True) if wanted > 0)


def memory_on(asked: int, card: int) -> int:
    return asked if asked >= 0 else -asked * card // 100


def choose_devices(
    asks: Sequence[tuple[int, int, int]],
    total: Sequence[Card],
    free: Sequence[Card],
    releasing: Sequence[Card],
    pipeline: bool,
    spread: bool,
) -> tuple[int, list[int]]:
    """Fullness in per mille and the card of each ask (container, memory, cores); -1 when one finds none."""
    now = [list(card) for card in free]
    chosen: list[int] = []
    fullness = 0
    for container, memory, cores in asks:
        taken = {place for place, ask in zip(chosen, asks, strict=False) if ask[0] == container}
        candidates = []
        for m, card in enumerate(total):
            later = [a + b for a, b in zip(now[m], releasing[m], strict=True)]
            room = later if pipeline else [min(a, b) for a, b in zip(now[m], later, strict=True)]
            wanted = memory_on(memory, card[1])
            fits_here = room[0] >= 1 and room[1] >= wanted and room[2] >= max(cores, 1)
            unused = room[0] == card[0] or cores < 100
            if card[0] and m not in taken and fits_here and unused:
                used_memory, used_slots = card[1] - now[m][1], card[0] - now[m][0]
                rating = -used_slots if spread else 1000 * used_memory // max(card[1], 1)
                candidates.append((-rating, m))
        if not candidates:
            return -1, chosen
        m = min(candidates)[1]
        now[m] = [now[m][0] - 1, now[m][1] - memory_on(memory, total[m][1]), now[m][2] - cores]
        fullness += 1000 * (total[m][1] - now[m][1]) // max(total[m][1], 1)
        chosen.append(m)
    return fullness // max(len(asks), 1), chosen


def divide(
    total: int,
    unit: int,
    deserved: Sequence[int],
    weight: Sequence[int],
    priority: Sequence[int],
    rank: Sequence[int],
    request: Sequence[int],
) -> list[int]:
    """Source: reference/kai.md §3, with fractions in place of floats."""
    queues = range(len(request))
    out = [min(d, r) for d, r in zip(deserved, request, strict=True)]
    lost = [Fraction(0)] * len(request)
    left = max(total - sum(out), 0)
    for level in sorted(set(priority), reverse=True):
        while left > 0:
            hungry = [q for q in queues if priority[q] == level and out[q] < request[q] and weight[q] > 0]
            if not hungry:
                break
            share = {q: Fraction(left * weight[q], sum(weight[q] for q in hungry)) for q in hungry}
            content = [q for q in hungry if request[q] - out[q] <= share[q]]
            for q in content:
                left -= request[q] - out[q]
                out[q] = request[q]
            if content:
                continue
            for q in hungry:
                units = share[q] // unit
                lost[q] = share[q] / unit - units
                out[q] += units * unit
                left -= units * unit
            break
    while left > 0 and (hungry := [q for q in queues if out[q] < request[q] and weight[q] > 0]):
        q = min(hungry, key=lambda q: (-priority[q], -lost[q], rank[q]))
        more = min(unit, left, request[q] - out[q])
        out[q] += more
        left -= more
        lost[q] -= 1
    return out


@dataclass
class Plain:
    """The ledger as lists, and what may be done to it."""

    facts: Facts
    weights: Weights
    static: Static
    idle: list[list[int]]
    releasing: list[list[int]]
    free: list[list[Card]]
    freed: list[list[Card]]
    planned: list[list[int]]
    held: list[list[int]]
    state: list[int]
    node: list[int]
    devices: list[list[int]]

    @classmethod
    def of(cls, facts: Facts, ledger: Ledger, weights: Weights, static: Static) -> "Plain":
        return cls(facts, weights, static, *(array.tolist() for array in ledger))

    def lists(self) -> list[Any]:
        return [
            self.idle, self.releasing, self.free, self.freed, self.planned, self.held, self.state, self.node,
            self.devices,
        ]  # fmt: skip

    def copy(self) -> "Plain":
        return Plain(self.facts, self.weights, self.static, *deepcopy(self.lists()))

    def asks(self, kind: int) -> list[tuple[int, int, int]]:
        classes = self.facts.classes
        rows = zip(classes.ask_container[kind].tolist(), classes.asks[kind].tolist(), strict=True)
        return [(container, memory, cores) for container, (slots, memory, cores) in rows if slots]

    def rate(self, kind: int, node: int, pipeline: bool) -> tuple[int, list[int]] | None:
        """Score and cards; None if it does not fit."""
        nodes, classes, row = self.facts.nodes, self.facts.classes, int(self.facts.classes.constraint_set[kind])
        request = classes.request[kind].tolist()
        if not nodes.live[node] or not self.static.feasible[row, node]:
            return None
        if not fits(request, self.idle[node], self.releasing[node], pipeline):
            return None
        score, cards, asks = int(self.static.score[row, node]), [], self.asks(kind)
        if asks:
            total = self.facts.devices.total[node].tolist()
            fullness, cards = choose_devices(
                asks, total, self.free[node], self.freed[node], pipeline, self.weights.device_spread
            )
            if fullness < 0:
                return None
            score += self.weights.device_scale * fullness
        score += self.weights.pack_scale * self.fullness(self.weights.pack.tolist(), node, request)
        score += self.weights.spread_scale * (1000 - self.fullness(self.weights.spread.tolist(), node, request))
        return score, cards

    def fullness(self, weight: list[int], node: int, request: list[int]) -> int:
        allocatable = self.facts.nodes.allocatable[node].tolist()
        counted = [r for r in range(len(request)) if weight[r] > 0 and request[r] > 0 and allocatable[r] > 0]
        full = [
            weight[r] * (1000 * (allocatable[r] - self.idle[node][r] + request[r]) // allocatable[r]) for r in counted
        ]
        return sum(full) // sum(weight[r] for r in counted) if counted else 0

    def ancestors(self, task: int) -> list[int]:
        queue, found = int(self.facts.gangs.queue[self.facts.tasks.gang[task]]), []
        while queue >= 0:
            found.append(queue)
            queue = int(self.facts.queues.parent[queue])
        return found

    def charge(self, task: int, node: int, cards: list[int]) -> list[int]:
        kind, smallest = int(self.facts.tasks.of_class[task]), self.facts.devices.smallest_memory
        charge: list[int] = self.facts.classes.charge[kind].tolist()
        for (_, memory, cores), card in zip(self.asks(kind), cards, strict=False):
            known = int(self.facts.devices.total[node, card, 1])
            charge[GPU_COLUMN] += share(memory, cores, known) - share(memory, cores, smallest)
        return charge

    def over_capability(self, task: int, charge: list[int], pipeline: bool) -> int:
        for queue in self.ancestors(task):
            for r, more in enumerate(charge):
                used = self.planned[queue][r] if pipeline else max(self.planned[queue][r], self.held[queue][r])
                if more > 0 and used + more > self.facts.queues.capability[queue, r]:
                    return queue
        return -1

    def place(self, tasks: Sequence[int], pipeline: bool) -> tuple[int, tuple[Reason, int] | None]:
        for done, task in enumerate(tasks):
            kind = int(self.facts.tasks.of_class[task])
            if not self.asks(kind) and (queue := self.over_capability(task, self.charge(task, -1, []), pipeline)) >= 0:
                return done, (Reason.QUEUE_OVER_CAPABILITY, queue)
            rated = [
                (-found[0], int(self.facts.nodes.rank[node]), node, found[1])
                for node in range(len(self.facts.nodes.live))
                if (found := self.rate(kind, node, pipeline)) is not None
            ]
            if not rated:
                return done, (Reason.UNSCHEDULABLE, -1)
            _, _, node, cards = min(rated)
            charge = self.charge(task, node, cards)
            if (queue := self.over_capability(task, charge, pipeline)) >= 0:
                return done, (Reason.QUEUE_OVER_CAPABILITY, queue)
            self.put(task, node, cards, charge, pipeline)
        return len(tasks), None

    def put(self, task: int, node: int, cards: list[int], charge: list[int], pipeline: bool) -> None:
        kind = int(self.facts.tasks.of_class[task])
        amounts = self.releasing[node] if pipeline else self.idle[node]
        for r, wanted in enumerate(self.facts.classes.request[kind].tolist()):
            amounts[r] -= wanted
        self.move_cards(kind, node, cards, self.freed if pipeline else self.free, -1)
        for queue in self.ancestors(task):
            for r, more in enumerate(charge):
                self.planned[queue][r] += more
                self.held[queue][r] += 0 if pipeline else more
        self.node[task] = node
        self.devices[task] = cards + [-1] * (len(self.devices[task]) - len(cards))
        self.state[task] = TaskState.PIPELINED if pipeline else TaskState.ALLOCATED

    def evict(self, tasks: Sequence[int]) -> None:
        for task in tasks:
            kind, node = int(self.facts.tasks.of_class[task]), self.node[task]
            cards = [card for card in self.devices[task] if card >= 0]
            for r, wanted in enumerate(self.facts.classes.request[kind].tolist()):
                self.releasing[node][r] += wanted
            self.move_cards(kind, node, cards, self.freed, 1)
            for queue in self.ancestors(task):
                for r, less in enumerate(self.charge(task, node, cards)):
                    self.planned[queue][r] -= less
            self.state[task] = TaskState.RELEASING

    def move_cards(self, kind: int, node: int, cards: list[int], to: list[list[Card]], sign: int) -> None:
        for (_, memory, cores), card in zip(self.asks(kind), cards, strict=False):
            size = int(self.facts.devices.total[node, card, 1])
            to[node][card][0] += sign
            to[node][card][1] += sign * memory_on(memory, size)
            to[node][card][2] += sign * cores


def share(memory: int, cores: int, card: int) -> int:
    """Milli-GPUs, rounded up."""
    if card == 0:
        return 1000
    by_memory = -memory * 10 if memory < 0 else -(-1000 * memory // card)
    return max(by_memory, cores * 10)
