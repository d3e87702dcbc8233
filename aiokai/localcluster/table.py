"""Objects as rows, for `kubectl get`: the server decides what the columns are and what stands in them."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from aiokai.localcluster.jsonpath import compile_path
from aiokai.localcluster.objects import Json, encode, text_of


class Column(NamedTuple):
    name: str
    type: str
    cell: Callable[[Json], Any]
    priority: int = 0
    """0 is always shown, more only with `-o wide`."""
    format: str = ""
    description: str = ""


def path_cell(path: str, column_type: str = "string") -> Callable[[Json], Any]:
    """A cell that shows what stands under a JSONPath, as kube-apiserver formats a CRD's printer columns."""
    find = compile_path(path)

    def cell(obj: Json) -> Any:
        found = find(obj)
        if not found or found[0] is None:
            return None
        value = found[0]
        match column_type:
            case "date":
                return age(value) if isinstance(value, str) else "<invalid>"
            case "integer":
                return int(value) if isinstance(value, (int, float)) else None
            case "number" | "boolean":
                return value
        return ",".join(map(text_of, found)) if len(found) > 1 else _shown(value)

    return cell


def _shown(value: Any) -> Any:
    return encode(value).decode() if isinstance(value, (dict, list)) else text_of(value)


NAME = Column("Name", "string", lambda obj: obj["metadata"]["name"], format="name")
AGE = Column("Age", "string", lambda obj: age(obj["metadata"].get("creationTimestamp")))


def table(columns: Sequence[Column], objects: Iterable[Json], metadata: Json, include: str) -> Json:
    """A `Table`; `include` is what each row carries of its object: Metadata, Object or None."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [
            {"cells": [column.cell(obj) for column in columns], "object": _carried(obj, include)} for obj in objects
        ],
    }


def partial(obj: Json) -> Json:
    """Only the metadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def age(time: str | None) -> str:
    """How long ago a timestamp was, as kubectl says it: `45s`, `3m20s`, `5h`, `12d`."""
    if not time:
        return "<unknown>"
    since = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(time)
    return duration(int(since.total_seconds()))


def duration(seconds: int) -> str:
    """Two units while the first is small, then one (apimachinery `duration.HumanDuration`)."""
    if seconds < 0:
        return "0s" if seconds >= -1 else "<invalid>"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _pair(minutes, "m", seconds % 60, "s")
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _pair(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    return _pair(days // 365, "y", days % 365, "d") if days < 365 * 8 else f"{days // 365}y"


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}" + (f"{small}{small_unit}" if small else "")


def _definition(column: Column) -> Json:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description or column.name,
        "priority": column.priority,
    }


def _carried(obj: Json, include: str) -> Json | None:
    match include:
        case "Object":
            return obj
        case "None":
            return None
    return partial(obj)
