"""The types of the built-in kinds, read from the Kubernetes client's generated models.

kube-apiserver decodes a built-in kind into a Go struct: a field it does not know is dropped or refused, a value of the
wrong type is refused with 400. `kubernetes_asyncio` carries the same structs, generated from the same OpenAPI document
and kept up to date by others; so here is no second copy. A type becomes one shared schema with its name as `title`.
"""

import re
from functools import cache
from typing import Any

from kubernetes_asyncio.client import models

from aiokai.localcluster.objects import Json
from aiokai.localcluster.status import Refusal, bad_request
from aiokai.model.quantity import parse_quantity

_LIST = re.compile(r"list\[(.*)\]")
_MAP = re.compile(r"dict\(str, (.*)\)")
_SCALARS: dict[str, Json] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
    # Numbers or strings, raw JSON: whatever the generator had no name for.
    "object": {},
}
_INT_OR_STRING = "x-kubernetes-int-or-string"
_QUANTITY: Json = {_INT_OR_STRING: True}
_QUANTITY_MAPS = {
    "limits", "requests", "capacity", "allocatable", "hard", "used", "overhead", "default", "defaultRequest", "max",
    "min", "maxLimitRequestRatio", "allocatedResources",
}  # fmt: skip
_QUANTITIES = {"sizeLimit", "divisor"}
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
_NO_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_GO_TYPES = {"integer": "int64", "number": "float64", "boolean": "bool", "object": "map", "array": "slice"}


@cache
def schema_of_model(model: str) -> Json:
    """The schema of one type of the Kubernetes API, such as `V1PodSpec`; shared, and cyclic where the type is."""
    cls = getattr(models, model)
    schema: Json = {"type": "object", "title": model, "properties": (properties := {})}
    _UNDER_WAY[model] = schema
    for attribute, type_name in cls.openapi_types.items():
        name = cls.attribute_map[attribute]
        described = {"description": _description(getattr(cls, attribute).__doc__)}
        properties[name] = _schema_of_type(type_name, name) | described
    del _UNDER_WAY[model]
    return schema


_UNDER_WAY: dict[str, Json] = {}


def _schema_of_type(type_name: str, field: str = "") -> Json:
    if field in _QUANTITIES:
        return _QUANTITY
    if type_name in _SCALARS:
        return _SCALARS[type_name]
    if found := _LIST.fullmatch(type_name):
        return {"type": "array", "items": _schema_of_type(found[1])}
    if found := _MAP.fullmatch(type_name):
        quantities = field in _QUANTITY_MAPS and found[1] == "str"
        return {"type": "object", "additionalProperties": _QUANTITY if quantities else _schema_of_type(found[1])}
    return _UNDER_WAY.get(type_name) or schema_of_model(type_name)


def _description(docstring: str | None) -> str:
    paragraphs = (docstring or "").split("\n\n")
    return paragraphs[1].replace("# noqa: E501", "").strip() if len(paragraphs) > 1 else ""


def admit(schema: Json, obj: Json, kind: str, version: str) -> list[str]:
    """Make `obj` what the Go struct would be written as: no nulls, no unknown fields, quantities as text.

    Returns: the paths of unknown fields, which are gone now.
    Raises: Refusal 400 if a value has the wrong type.
    """
    for part in ("spec", "status"):
        if part in schema["properties"]:
            obj.setdefault(part, {})
    try:
        return [path.removeprefix(".") for path in _admit(schema, obj, "")]
    except _MistypedError as error:
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {error}') from error


def _admit(node: Json, value: Any, path: str) -> list[str]:
    wanted: str | None = node.get("type")
    if wanted is None:
        return []
    if not isinstance(value, _PYTHON_TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean"):
        raise _MistypedError(value, path, wanted)
    if isinstance(value, list):
        item = node["items"]
        return [where for row, one in enumerate(value) for where in _admit(item, one, f"{path}[{row}]")]
    return _admit_fields(node, value, path) if isinstance(value, dict) else []


def _admit_fields(node: Json, obj: Json, path: str) -> list[str]:
    properties, additional = node.get("properties"), node.get("additionalProperties")
    unknown: list[str] = []
    for name, value in list(obj.items()):
        child = properties.get(name) if properties is not None else additional
        if child is None:
            del obj[name]
            unknown.append(f"{path}.{name}")
        elif value is None or (not value and _is_left_out(child, value)):
            del obj[name]
        elif _INT_OR_STRING in child:
            obj[name] = _quantity_text(value, f"{path}.{name}")
        elif isinstance(value, (dict, list)) or child.get("type") != "string" or type(value) is not str:
            unknown += _admit(child, value, f"{path}.{name}")
    return unknown


def _is_left_out(child: Json, value: Any) -> bool:
    """Go's `omitempty`: empty lists and maps are not written; an empty struct (`emptyDir: {}`) means something."""
    return isinstance(value, list) or (isinstance(value, dict) and "additionalProperties" in child)


def _quantity_text(value: Any, path: str) -> str:
    if isinstance(value, (dict, list, bool)):
        raise _MistypedError(value, path, "string")
    try:
        parse_quantity(value)
    except ValueError as error:
        raise _MistypedError(value, path, "quantity") from error
    return str(value)


class _MistypedError(Exception):
    def __init__(self, value: Any, path: str, wanted: str) -> None:
        found = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}.get(type(value), "object")
        field = path.removeprefix(".")
        go_type = _GO_TYPES.get(wanted, wanted)
        text = f"json: cannot unmarshal {found} into Go struct field {field} of type {go_type}"
        super().__init__(_NO_QUANTITY if wanted == "quantity" else text)


def refuse_unknown(kind: str, version: str, unknown: list[str]) -> Refusal:
    """The answer to unknown fields under `fieldValidation=Strict`."""
    fields = ", ".join(f'unknown field "{path}"' for path in unknown)
    text = f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: {fields}'
    return bad_request(text)
