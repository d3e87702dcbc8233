"""Label and field selectors: text of a query, parsed once, asked of every object.

A selector is a tuple of requirements, all of which must hold. Label selectors know sets and existence, field selectors
only equality; both then look into a flat mapping that the store keeps beside each object, so that no object is decoded
to be passed over.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from aiokai.localcluster.status import bad_request

_TERM = re.compile(
    r"""\s*(?:
        (?P<key>[^\s,!=<>()]+)\s+(?P<set>in|notin)\s*\((?P<values>[^)]*)\)
      | (?P<absent>!)\s*(?P<no>[^\s,!=<>()]+)
      | (?P<name>[^\s,!=<>()]+)\s*(?P<op>==|=|!=|<|>)\s*(?P<value>[^\s,]*)
      | (?P<has>[^\s,!=<>()]+)
    )\s*(?:,|$)""",
    re.VERBOSE,
)
_FIELD_TERM = re.compile(r"((?:[^,\\]|\\.)*)(?:,|$)")


class Requirement(NamedTuple):
    key: str
    operator: str
    """in, notin, exists, absent, gt or lt."""
    values: frozenset[str] = frozenset()

    def holds(self, found: Mapping[str, str]) -> bool:
        value = found.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "absent":
                return value is None
        return _compares(value, self.operator, next(iter(self.values)))


Selector = tuple[Requirement, ...]


def matches(selector: Selector, found: Mapping[str, str]) -> bool:
    return all(requirement.holds(found) for requirement in selector)


def selector_of(declared: Any) -> Selector | None:
    """`matchLabels` and `matchExpressions` of an object; None, which is to find nothing, if there are neither."""
    if declared is None:
        return None
    equal = [Requirement(key, "in", frozenset({value})) for key, value in (declared.get("matchLabels") or {}).items()]
    return *equal, *(
        Requirement(one["key"], _OPERATORS.get(one["operator"], "absent"), frozenset(one.get("values") or ()))
        for one in declared.get("matchExpressions") or ()
    )


_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}


def text_of_selector(declared: Any) -> str:
    """The same in the words of a query."""
    return ",".join(_text_of_requirement(one) for one in sorted(selector_of(declared) or (), key=lambda it: it.key))


def _text_of_requirement(requirement: Requirement) -> str:
    values = ",".join(sorted(requirement.values))
    match requirement.operator:
        case "exists":
            return requirement.key
        case "absent":
            return f"!{requirement.key}"
        case "in" if len(requirement.values) == 1:
            return f"{requirement.key}={values}"
    return f"{requirement.key} {requirement.operator} ({values})"


def parse_label_selector(text: str) -> Selector:
    """Raises: Refusal 400 if the text is no selector."""
    requirements = []
    at = 0
    text = text.strip()
    while at < len(text):
        term = _TERM.match(text, at)
        if term is None:
            raise bad_request(f"unable to parse requirement: found {text[at:]!r}")
        requirements.append(_label_requirement(term))
        at = term.end()
    return tuple(requirements)


def parse_field_selector(text: str, known: Collection[str]) -> Selector:
    """Raises: Refusal 400 if the text is no selector or asks a field that the kind does not offer."""
    requirements = []
    for term in filter(None, (found[1] for found in _FIELD_TERM.finditer(text))):
        parts = re.split(r"(!=|==?)", term, maxsplit=1)
        if len(parts) != 3:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        key = parts[0].strip()
        if key not in known:
            raise bad_request(f"field label not supported: {key}")
        value = re.sub(r"\\(.)", r"\1", parts[2].strip())
        requirements.append(Requirement(key, "notin" if parts[1] == "!=" else "in", frozenset({value})))
    return tuple(requirements)


def _label_requirement(term: re.Match[str]) -> Requirement:
    if term["set"]:
        values = frozenset(value.strip() for value in term["values"].split(","))
        return Requirement(term["key"], term["set"], values)
    if term["absent"]:
        return Requirement(term["no"], "absent")
    if term["has"]:
        return Requirement(term["has"], "exists")
    operator = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}[term["op"]]
    return Requirement(term["name"], operator, frozenset({term["value"]}))


def _compares(value: str | None, operator: str, bound: str) -> bool:
    try:
        return int(value or "") > int(bound) if operator == "gt" else int(value or "") < int(bound)
    except ValueError:
        return False
