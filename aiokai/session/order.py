"""The order in which gangs are served: a tree of sorted lists that mirrors the queue tree.

Below each queue stand its children, or its gangs if it is a leaf, sorted; what comes next is found by walking down the
firsts. After a placement only the queue that got something, and those above it, are put in their new places.
"""

from collections.abc import Iterable

from sortedcontainers import SortedKeyList, SortedList

from aiokai.session.session import Session
from aiokai.snapshot.arrays import I64

QueueEntry = tuple[tuple[int, ...], int]
_TOP = -1


class GangQueue:
    """Gangs of one session, served in queue order and then in gang order."""

    def __init__(self, session: Session, gangs: Iterable[int]) -> None:
        self._session = session
        self._queues = session.facts.queues
        self._gangs: dict[int, SortedKeyList] = {}
        self._children: dict[int, SortedList] = {}
        self._entry: dict[int, QueueEntry] = {}
        for gang in gangs:
            self._leaf(int(session.facts.gangs.queue[gang])).add(gang)
        for queue in list(self._gangs):
            self._place(queue)

    def _leaf(self, queue: int) -> SortedKeyList:
        if queue not in self._gangs:
            self._gangs[queue] = SortedKeyList(key=self._session.gang_key)
        return self._gangs[queue]

    def pop(self) -> int | None:
        """Take out the gang that comes next; None when there is none left."""
        gang = self._first(_TOP)
        if gang is None:
            return None
        queue = int(self._session.facts.gangs.queue[gang])
        self._gangs[queue].remove(gang)
        self._place(queue)
        return gang

    def push(self, gang: int) -> None:
        """Put a gang back, by what its queue uses now."""
        queue = int(self._session.facts.gangs.queue[gang])
        self._leaf(queue).add(gang)
        self._place(queue)

    def moved(self, gang: int) -> None:
        """The gang's queue got something: it stands elsewhere now."""
        self._place(int(self._session.facts.gangs.queue[gang]))

    def drop_queue(self, gang: int) -> list[int]:
        """Take out all gangs of the gang's queue; in their order."""
        queue = int(self._session.facts.gangs.queue[gang])
        dropped = list(self._gangs.pop(queue, ()))
        self._place(queue)
        return dropped

    def _first(self, queue: int) -> int | None:
        while True:
            if gangs := self._gangs.get(queue):
                return int(gangs[0])
            children = self._children.get(queue)
            if not children:
                return None
            queue = children[0][1]

    def _place(self, queue: int) -> None:
        """Put a queue, and all above it, where they belong by their best gang."""
        while queue >= 0:
            parent = int(self._queues.parent[queue])
            siblings = self._children.setdefault(parent, SortedList())
            if (old := self._entry.pop(queue, None)) is not None:
                siblings.remove(old)
            best = self._first(queue)
            if best is not None:
                entry = self._entry[queue] = (self._key(queue, best), queue)
                siblings.add(entry)
            queue = parent

    def _key(self, queue: int, gang: int) -> tuple[int, ...]:
        session = self._session
        planned: I64 = (
            session.ledger.queue_planned + session.expected if session.expected.any() else session.ledger.queue_planned
        )
        charge = session.next_charge(gang)
        for order in session.queue_orders:
            key = order.queue_key(session.snapshot, session.entitled, planned, queue, charge)
            return (*key, int(self._queues.rank[queue]))
        return (int(self._queues.rank[queue]),)
