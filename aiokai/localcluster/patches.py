"""The three ways to say a change: merge patch, strategic merge patch, JSON patch.

Each takes the object as it is and the patch, and returns the object as it should be; neither input is changed. Which
lists a strategic patch merges by key is what Kubernetes' Go types say (`patchMergeKey`, read from the OpenAPI of 1.36);
the field name alone decides, except for `ports`, whose key differs between containers and services.
"""

from typing import Any

import jsonpatch
import jsonpointer

from aiokai.localcluster.objects import Json
from aiokai.localcluster.status import Refusal, bad_request

_MERGE_KEYS = {
    "addresses": ("type",),
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "hostIPs": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "podIPs": ("ip",),
    "ports": ("containerPort", "port"),
    "resourceClaims": ("name",),
    "resourceClaimStatuses": ("name",),
    "schedulingGates": ("name",),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
_MERGED_VALUES = frozenset({"finalizers", "podCIDRs"})
"""Lists of plain values that a strategic patch adds to."""


def merge_patch(current: Any, patch: Any) -> Any:
    """RFC 7386: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(current) if isinstance(current, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def json_patch(current: Json, operations: Any) -> Json:
    """RFC 6902.

    Raises: Refusal 400 if it is not a list of operations, 422 if one does not apply.
    """
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    try:
        patched: Json = jsonpatch.apply_patch(current, operations)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"error decoding patch: {error}") from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        message = f"the server rejected our request due to an error in our request: {error}"
        raise Refusal(422, "Invalid", message) from error
    return patched


def strategic_merge_patch(current: Any, patch: Any) -> Any:
    """Kubernetes' own: as a merge patch, but lists of named things merge by name, and `$` words steer."""
    if not isinstance(patch, dict):
        return patch
    match patch.get("$patch"):
        case "replace":
            return {name: value for name, value in patch.items() if name != "$patch"}
        case "delete":
            return {}
    merged = dict(current) if isinstance(current, dict) else {}
    if "$retainKeys" in patch:
        merged = {name: value for name, value in merged.items() if name in patch["$retainKeys"]}
    for name, value in patch.items():
        if name.startswith("$"):
            _obey(merged, name, value)
        elif value is None:
            merged.pop(name, None)
        elif isinstance(value, list):
            merged[name] = _merge_list(name, merged.get(name) or [], value)
        else:
            merged[name] = strategic_merge_patch(merged.get(name), value)
    return merged


def _obey(merged: Json, directive: str, values: Any) -> None:
    """Carry out `$deleteFromPrimitiveList/x`; `$setElementOrder/x` only asks for an order, and is ignored."""
    word, _, field = directive.partition("/")
    if word == "$deleteFromPrimitiveList" and field in merged:
        merged[field] = [value for value in merged[field] if value not in values]


def _merge_list(field: str, current: list[Any], patch: list[Any]) -> list[Any]:
    if field in _MERGED_VALUES:
        return current + [value for value in patch if value not in current]
    key = _merge_key(field, patch) or _merge_key(field, current)
    if key is None:
        return [item for item in patch if not (isinstance(item, dict) and "$patch" in item)]
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    merged = list(current)
    for item in patch:
        _merge_item(merged, key, item)
    return merged


def _merge_key(field: str, items: list[Any]) -> str | None:
    """The key under which the items of a list are known, None if the list is replaced as a whole."""
    if not all(isinstance(item, dict) for item in items):
        return None
    return next((key for key in _MERGE_KEYS.get(field, ()) if any(key in item for item in items)), None)


def _merge_item(merged: list[Any], key: str, item: Json) -> None:
    row = next((row for row, known in enumerate(merged) if known.get(key) == item.get(key)), None)
    if item.get("$patch") == "delete":
        if row is not None:
            del merged[row]
    elif row is None:
        merged.append(strategic_merge_patch({}, item))
    else:
        merged[row] = strategic_merge_patch(merged[row], item)
