"""The JSONPath of printer columns: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`, `[0]`, `[*]`.

A path is parsed once into steps, and asked of many objects. Kubernetes' dialect (client-go `util/jsonpath`) has more;
columns in the field do not.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Step = Callable[[Any], Iterable[Any]]

_STEP = re.compile(
    r"""\.?(?:
        \[\?\(\s*@\.(?P<field>[\w.\-/\\]+)\s*(?P<op>==|!=)\s*(?P<quote>['"]?)(?P<value>.*?)(?P=quote)\s*\)\]
      | \[(?P<row>-?\d+)\]
      | (?P<all>\[\*\]|\*)
      | \[['"](?P<key>[^'"]+)['"]\]
      | (?P<name>(?:[^.\[\]\\]|\\.)+)
    )""",
    re.VERBOSE,
)


def compile_path(text: str) -> Callable[[Any], list[Any]]:
    """A function that finds all values under a path.

    Raises: ValueError if the path is not understood.
    """
    steps = [_step(found) for found in _scan(text.strip().removeprefix("{").removesuffix("}").removeprefix("$"))]

    def find(obj: Any) -> list[Any]:
        values = [obj]
        for step in steps:
            values = [found for value in values for found in step(value)]
        return values

    return find


def _scan(text: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise ValueError(f"JSONPath not understood from {text[at:]!r}")
        yield found
        at = found.end()


def _step(found: re.Match[str]) -> Step:
    if found["field"]:
        return _filtered(found["field"].split("."), found["value"], equal=found["op"] == "==")
    if found["row"]:
        return _row(int(found["row"]))
    if found["all"]:
        return _members
    return _named(found["key"] or re.sub(r"\\(.)", r"\1", found["name"]))


def _named(name: str) -> Step:
    return lambda value: [value[name]] if isinstance(value, dict) and name in value else []


def _row(row: int) -> Step:
    def pick(value: Any) -> list[Any]:
        inside = isinstance(value, list) and -len(value) <= row < len(value)
        return [value[row]] if inside else []

    return pick


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _filtered(names: list[str], wanted: str, *, equal: bool) -> Step:
    def keep(item: Any) -> bool:
        for name in names:
            item = item.get(name) if isinstance(item, dict) else None
        text = {True: "true", False: "false"}.get(item, item) if isinstance(item, bool) else item
        return (str(text) == wanted) is equal

    return lambda value: [item for item in _members(value) if keep(item)]
