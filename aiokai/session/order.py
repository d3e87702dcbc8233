"""The order in which gangs are served: a tree of sorted lists that mirrors the queue tree.

Below each queue stand its children, or its gangs if it is a leaf, sorted; what comes next is found by walking down the
firsts. After a placement only the queue that got something, and those above it, are put in their new places, and that
only when somebody asks what comes next. A queue without rivals needs no key.
"""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from sortedcontainers import SortedList

from aiokai.session.session import GangOrderKey, Session

QueueEntry = tuple[tuple[int, ...], int]
_TOP = -1


class GangQueue:
    """Gangs of one session, served in queue order and then in gang order."""

    def __init__(self, session: Session, gangs: Iterable[int]) -> None:
        self._session = session
        self._parent: list[int] = session.facts.queues.parent.tolist()
        self._waiting: dict[int, list[tuple[GangOrderKey, int]]] = {}  # of each leaf, a heap of key and gang
        self._children: dict[int, SortedList] = {}
        self._rivals: dict[int, set[int]] = {}
        self._entry: dict[int, QueueEntry] = {}
        rows = list(gangs)
        for gang, queue in zip(rows, session.facts.gangs.queue[rows].tolist(), strict=True):
            self._waiting.setdefault(queue, []).append((session.gang_key(gang), gang))
        for queue, waiting in self._waiting.items():
            heapify(waiting)
            self._enrol(queue)
        self._moved = set(self._waiting)

    def _enrol(self, queue: int) -> None:
        while queue >= 0:
            self._rivals.setdefault(self._parent[queue], set()).add(queue)
            queue = self._parent[queue]

    def pop(self) -> int | None:
        """Take out the gang that comes next; None when there is none left."""
        for queue in self._moved:
            self._place(queue)
        self._moved.clear()
        gang = self._first(_TOP)
        if gang is not None:
            queue = int(self._session.facts.gangs.queue[gang])
            heappop(self._waiting[queue])
            self._moved.add(queue)
        return gang

    def push(self, gang: int) -> None:
        """Put a gang back that was taken out and grew, by what it and its queue have now."""
        queue = int(self._session.facts.gangs.queue[gang])
        self._session.grew(gang)
        heappush(self._waiting[queue], (self._session.gang_key(gang), gang))
        self._moved.add(queue)

    def drop_queue(self, gang: int) -> list[int]:
        """Take out all gangs of the gang's queue; in their order."""
        queue = int(self._session.facts.gangs.queue[gang])
        dropped = [gang for _, gang in sorted(self._waiting[queue])]
        self._waiting[queue].clear()
        self._moved.add(queue)
        return dropped

    def _first(self, queue: int) -> int | None:
        while True:
            if waiting := self._waiting.get(queue):
                return waiting[0][1]
            children = self._children.get(queue)
            if not children:
                return None
            queue = children[0][1]

    def _place(self, queue: int) -> None:
        """Put a queue, and all above it, where they belong by their best gang."""
        while queue >= 0:
            parent = self._parent[queue]
            siblings = self._children.setdefault(parent, SortedList())
            best, old = self._first(queue), self._entry.pop(queue, None)
            new = (self._key(queue, parent, best), queue) if best is not None else None
            if old is not None and old != new:
                siblings.remove(old)
            if new is not None:
                self._entry[queue] = new
                if old != new:
                    siblings.add(new)
            queue = parent

    def _key(self, queue: int, parent: int, gang: int) -> tuple[int, ...]:
        if len(self._rivals[parent]) == 1:
            return ()
        session = self._session
        rank = int(session.facts.queues.rank[queue])
        if not session.queue_orders:
            return (rank,)
        used = session.ledger.queue_planned[queue] + session.expected[queue]
        charge = session.next_charge(gang)
        return (*session.queue_orders[0].queue_key(session.snapshot, session.entitled, queue, used, charge), rank)
