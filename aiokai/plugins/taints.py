"""Keep pods off nodes whose taints they do not tolerate. Source: kube-scheduler TaintToleration."""

from aiokai.model.reasons import Blame, Reason
from aiokai.snapshot.arrays import ConstraintSet, NodeFacts

Taint = tuple[str, str, str]
_WEIGHT = 30
"""See `nodeaffinity`: against binpack's default weight of 10."""


class Taints:
    def blame(self, constraints: ConstraintSet, node: NodeFacts) -> Blame | None:
        """The first taint that keeps the pod off."""
        for key, value, effect in node.taints:
            if effect in ("NoSchedule", "NoExecute") and not tolerates(constraints, (key, value, effect)):
                return Blame(Reason.UNTOLERATED_TAINT, f"{key}: {value}")
        return None

    def score(self, constraints: ConstraintSet, node: NodeFacts) -> int:
        """Each PreferNoSchedule taint that is not tolerated makes a node worse."""
        soft = [taint for taint in node.taints if taint[2] == "PreferNoSchedule"]
        return -_WEIGHT * 1000 * sum(not tolerates(constraints, taint) for taint in soft)


def tolerates(constraints: ConstraintSet, taint: Taint) -> bool:
    """True if one of the pod's tolerations covers the taint."""
    key, value, effect = taint
    for its_key, operator, its_value, its_effect in constraints.tolerations:
        if its_effect not in ("", effect) or (its_key and its_key != key):
            continue
        if operator == "Exists" or (its_key and operator == "Equal" and its_value == value):
            return True
    return False
