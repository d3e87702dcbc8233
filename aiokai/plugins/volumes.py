"""Keep pods where their volumes can be reached. Source: kube-scheduler VolumeBinding and VolumeZone."""

from aiokai.model.reasons import Blame, Reason
from aiokai.plugins.nodeaffinity import matches
from aiokai.snapshot.arrays import ConstraintSet, NodeFacts


class Volumes:
    def blame(self, constraints: ConstraintSet, node: NodeFacts) -> Blame | None:
        """Each volume must have a term that matches the node."""
        reached = (any(matches(term, node) for term in terms) for terms in constraints.volumes)
        return None if all(reached) else Blame(Reason.VOLUME_NODE_AFFINITY)
