"""Keep pods off nodes that are cordoned or not ready."""

from aiokai.model.reasons import Blame, Reason
from aiokai.plugins.taints import tolerates
from aiokai.snapshot.arrays import ConstraintSet, NodeFacts

_CORDON = ("node.kubernetes.io/unschedulable", "", "NoSchedule")


class NodeState:
    def blame(self, constraints: ConstraintSet, node: NodeFacts) -> Blame | None:
        """A cordon can be tolerated as a taint can; a node that is not ready takes nobody."""
        if node.unschedulable and not tolerates(constraints, _CORDON):
            return Blame(Reason.NODE_UNSCHEDULABLE)
        return None if node.ready else Blame(Reason.NODE_NOT_READY)
