"""nodeSelector and node affinity, required and preferred. Source: kube-scheduler NodeAffinity."""

from aiokai.model.reasons import Blame, Reason
from aiokai.snapshot.arrays import ConstraintSet, NodeFacts, Term

_WEIGHT = 20
"""A wish goes before packing, as with kube-scheduler, which weighs taints, affinity and packing 3 : 2 : 1."""


class NodeAffinity:
    def blame(self, constraints: ConstraintSet, node: NodeFacts) -> Blame | None:
        """All of the selector, and one of the required terms."""
        if any(node.labels.get(key) != value for key, value in constraints.node_selector):
            return Blame(Reason.NODE_AFFINITY)
        if constraints.required is not None and not any(matches(term, node) for term in constraints.required):
            return Blame(Reason.NODE_AFFINITY)
        return None

    def score(self, constraints: ConstraintSet, node: NodeFacts) -> int:
        """The weight of the preferred terms that match, per mille of all of them."""
        total = sum(weight for weight, _ in constraints.preferred)
        matched = sum(weight for weight, term in constraints.preferred if matches(term, node))
        return _WEIGHT * 1000 * matched // total if total else 0


def matches(term: Term, node: NodeFacts) -> bool:
    """True if all of a term's requirements hold; a term without any matches nothing."""
    if not term.labels and not term.fields:
        return False
    fields = {"metadata.name": node.name}
    return all(_holds(node.labels.get(key), operator, values) for key, operator, values in term.labels) and all(
        _holds(fields.get(key), operator, values) for key, operator, values in term.fields
    )


def _holds(value: str | None, operator: str, values: tuple[str, ...]) -> bool:
    match operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            try:
                number, bound = int(value or ""), int(values[0])
            except (ValueError, IndexError):
                return False
            return number > bound if operator == "Gt" else number < bound
    return False
