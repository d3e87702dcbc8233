"""What a plugin may say, as the session asks it. A plugin implements one or more of these and nothing else.

Filters and scores are asked once per constraint set and node and remembered, so they see only what does not change
while a cycle places pods; what does change is rated by kernels, with weights that plugins choose.
"""

from typing import Protocol, runtime_checkable

from aiokai.kernels.place import Weights
from aiokai.model.reasons import Blame
from aiokai.snapshot.arrays import I64, ConstraintSet, Ledger, NodeFacts, Snapshot


@runtime_checkable
class Filter(Protocol):
    """Rules nodes out."""

    def blame(self, constraints: ConstraintSet, node: NodeFacts) -> Blame | None:
        """Why a pod with these constraints may not run on the node; None if it may."""
        ...


@runtime_checkable
class Score(Protocol):
    """Prefers nodes."""

    def score(self, constraints: ConstraintSet, node: NodeFacts) -> int:
        """Per mille times weight; more is better."""
        ...


@runtime_checkable
class Rating(Protocol):
    """Chooses the weights of the placing kernels."""

    def weigh(self, weights: Weights, resources: tuple[str, ...]) -> Weights:
        """`weights` with this plugin's part in it."""
        ...


@runtime_checkable
class GangOrder(Protocol):
    """Says which gang of a queue goes first."""

    def gang_keys(self, snapshot: Snapshot, ledger: Ledger) -> I64:
        """[G] sorts ascending; the plugins' order in the configuration decides, then creation and name."""
        ...

    def gang_key(self, snapshot: Snapshot, ledger: Ledger, gang: int) -> int:
        """The same for one gang, after something of it was placed."""
        ...


@runtime_checkable
class QueueOrder(Protocol):
    """Says which of the queues below one parent goes first."""

    def entitle(self, snapshot: Snapshot, ledger: Ledger) -> I64:
        """[Q, R] what each queue is entitled to in this cycle, for its status and for `queue_key`."""
        ...

    def queue_key(self, snapshot: Snapshot, entitled: I64, queue: int, used: I64, charge: I64) -> tuple[int, ...]:
        """Sorts ascending: the queue, which uses [R] now, if its best gang, charged [R], came too."""
        ...
