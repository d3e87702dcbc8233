"""What a CRD's schema does to an object: unknown fields go, defaults come in, what is wrong is named.

The order is Kubernetes': prune, default, validate. The checking itself is jsonschema's (OpenAPI v3.0 schemas are
draft 4 plus `nullable` and the `x-kubernetes-` words, translated once per schema); this file words what it finds as
kube-apiserver words it (kube-openapi `pkg/validation/errors`). CEL rules are accepted and not evaluated.
"""

import copy
import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft4Validator, FormatChecker, ValidationError, validators

from aiokai.localcluster.objects import Json, encode
from aiokai.localcluster.status import FieldError, duplicate, invalid_value, required, unsupported

_ROOT_FIELDS = frozenset({"apiVersion", "kind", "metadata"})
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_EMBEDDED = "x-kubernetes-embedded-resource"


class Schema:
    """The structural schema of one version of a custom kind."""

    def __init__(self, root: Json) -> None:
        self.root = root
        self._validator = _Validator(_as_draft4(root), format_checker=_FORMATS)

    def prune(self, obj: Json) -> list[str]:
        """Remove what the schema does not know; the paths of what was removed."""
        return [path.removeprefix(".") for path in _prune(self.root, obj, keep=_ROOT_FIELDS)]

    def default(self, obj: Json) -> None:
        _default(self.root, obj)

    def validate(self, obj: Json) -> list[FieldError]:
        errors = (found for error in self._validator.iter_errors(obj) for found in _worded(error))
        return sorted(dict.fromkeys(errors), key=lambda error: error.field)


def _prune(node: Json, value: Any, keep: frozenset[str] = frozenset()) -> list[str]:
    if isinstance(value, list):
        item = node.get("items") or {}
        return [f"[{row}]{path}" for row, one in enumerate(value) for path in _prune(item, one)]
    if not isinstance(value, dict) or not node:
        return []
    if node.get(_EMBEDDED):
        keep = _ROOT_FIELDS
    removed: list[str] = []
    for name in list(value):
        if name in keep:
            continue
        child = _child(node, name)
        if child is None:
            del value[name]
            removed.append(f".{name}")
        else:
            removed += [f".{name}{path}" for path in _prune(child, value[name])]
    return removed


def _child(node: Json, name: str) -> Json | None:
    """The schema of a field, empty if anything may stand there, None if the field is unknown."""
    known: Json | None = node.get("properties", {}).get(name)
    if known is not None:
        return known
    additional = node.get("additionalProperties")
    if isinstance(additional, dict):
        return additional
    return {} if additional or node.get(_PRESERVE) else None


def _default(node: Json, value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _default(node.get("items") or {}, item)
    if not isinstance(value, dict):
        return
    properties: dict[str, Json] = node.get("properties") or {}
    for name, child in properties.items():
        # A null where null may not stand counts as absent, if there is a default to put in its place.
        absent = name not in value or (value[name] is None and not child.get("nullable"))
        if absent and "default" in child:
            value[name] = copy.deepcopy(child["default"])
        if name in value:
            _default(child, value[name])
    additional = node.get("additionalProperties")
    if isinstance(additional, dict):
        for name in value.keys() - properties.keys():
            _default(additional, value[name])


def _as_draft4(node: Json) -> Json:
    """An OpenAPI v3.0 schema as JSON schema draft 4 says the same."""
    plain = {word: value for word, value in node.items() if word in _KEPT_WORDS}
    if node.get(_INT_OR_STRING):
        plain["type"] = ["integer", "string"]
    if node.get("nullable") and "type" in plain:
        plain["type"] = [*_listed(plain["type"]), "null"]
        if "enum" in plain:
            plain["enum"] = [*plain["enum"], None]
    if "properties" in node:
        plain["properties"] = {name: _as_draft4(child) for name, child in node["properties"].items()}
    for word in ("items", "additionalProperties", "not"):
        if isinstance(node.get(word), dict):
            plain[word] = _as_draft4(node[word])
    for word in ("allOf", "anyOf", "oneOf"):
        if word in node and not node.get(_INT_OR_STRING):
            plain[word] = [_as_draft4(child) for child in node[word]]
    return plain


_KEPT_WORDS = {
    "type", "enum", "format", "pattern", "required", "multipleOf", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties",
    "maxProperties", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
}  # fmt: skip


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _unique_in_list(_: Any, list_type: str, items: Any, node: Json) -> Iterator[ValidationError]:
    """The keyword `x-kubernetes-list-type`: no two items of a set, or of a map by its keys, are equal."""
    if list_type not in ("set", "map") or not isinstance(items, list):
        return
    keys = node.get("x-kubernetes-list-map-keys") or ()
    seen = set()
    for row, item in enumerate(items):
        identity = {key: item.get(key) for key in keys} if list_type == "map" and isinstance(item, dict) else item
        text = encode(identity)
        if text in seen:
            yield ValidationError("duplicate", path=(row,), instance=identity)
        seen.add(text)


_Validator: Any = validators.extend(  # type: ignore[no-untyped-call]  # jsonschema has no types here
    Draft4Validator, {"x-kubernetes-list-type": _unique_in_list}
)
_FORMATS = FormatChecker(formats=("ipv4", "ipv6", "email"))
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_FORMATS.checks("date-time")(lambda value: not isinstance(value, str) or bool(_DATE_TIME.fullmatch(value)))
_FORMATS.checks("int32")(lambda value: not isinstance(value, int) or -(2**31) <= value < 2**31)
_FORMATS.checks("int64")(lambda value: not isinstance(value, int) or -(2**63) <= value < 2**63)


def _worded(error: ValidationError) -> list[FieldError]:
    """A finding of jsonschema in kube-apiserver's words."""
    path = _path(error)
    found: Any = error.instance
    bound: Any = error.validator_value
    match error.validator:
        case "required":
            return [required(f"{path}.{name}".removeprefix(".")) for name in bound if name not in found]
        case "enum":
            return [unsupported(path, found, [value for value in bound if value is not None])]
        case "type":
            kind = "string" if bound == ["integer", "string"] else _listed(bound)[0]
            return [FieldError("FieldValueTypeInvalid", path, _mistyped(path, found, kind))]
        case "x-kubernetes-list-type":
            return [duplicate(path, found)]
        case "maxLength":
            return [FieldError("FieldValueTooLong", path, f"Too long: may not be more than {bound} bytes")]
        case "maxItems":
            return [FieldError("FieldValueTooMany", path, f"Too many: {len(found)}: must have at most {bound} items")]
    return [invalid_value(path, _shown(found), f"{path} in body {_should(error)}")]


def _should(error: ValidationError) -> str:
    bound, node = error.validator_value, error.schema
    assert isinstance(node, dict)
    match error.validator:
        case "minimum":
            return f"should be greater than {'' if node.get('exclusiveMinimum') else 'or equal to '}{bound}"
        case "maximum":
            return f"should be less than {'' if node.get('exclusiveMaximum') else 'or equal to '}{bound}"
        case "multipleOf":
            return f"should be a multiple of {bound}"
        case "minLength":
            return f"should be at least {bound} chars long"
        case "pattern":
            return f"should match '{bound}'"
        case "minItems":
            return f"should have at least {bound} items"
        case "uniqueItems":
            return "shouldn't contain duplicates"
        case "minProperties":
            return f"should have at least {bound} properties"
        case "maxProperties":
            return f"should have at most {bound} properties"
        case "format":
            return f"must be of type {bound}: {_shown(error.instance)!r}"
        case "anyOf":
            return "must validate at least one schema (anyOf)"
        case "oneOf":
            return "must validate one and only one schema (oneOf)"
        case "not":
            return "must not validate the schema (not)"
    return error.message


def _mistyped(path: str, found: Any, kind: str) -> str:
    name = _type_name(found)
    return f'Invalid value: "{name}": {path} in body must be of type {kind}: "{name}"'


def _type_name(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _shown(value: Any) -> Any:
    """Lists and objects are not repeated in a message."""
    return _type_name(value) if isinstance(value, (list, dict)) else value


def _path(error: ValidationError) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")
