"""Custom kinds: what a CustomResourceDefinition must say, and the resources it brings.

A definition is served in the same moment as it is stored: Kubernetes takes some 0.1 s, and clients wait for condition
`Established`, which is true here from the first version on. Versions share one collection; between versions only
`apiVersion` changes, as with conversion strategy None.
"""
# ruff: noqa: ARG002 - a hook need not use all that it is offered

import re
from dataclasses import dataclass
from typing import Any

from aiokai.localcluster.objects import Json, timestamp
from aiokai.localcluster.resources import Resource
from aiokai.localcluster.scale import declared_paths
from aiokai.localcluster.schema import Schema
from aiokai.localcluster.status import FieldError, forbidden_field, invalid_value, required
from aiokai.localcluster.strategies import Strategy
from aiokai.localcluster.table import AGE, NAME, Column, path_cell
from aiokai.localcluster.typed import admit, schema_of_model

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that keeps a definition until its objects are gone."""


class CrdStrategy(Strategy):
    def on_create(self, obj: Json) -> None:
        self._default(obj)
        spec = obj["spec"]
        obj["metadata"]["finalizers"] = [*(obj["metadata"].get("finalizers") or ()), CLEANUP]
        obj["status"] = {
            "acceptedNames": spec["names"],
            "storedVersions": [version["name"] for version in spec["versions"] if version.get("storage")],
            "conditions": [
                _condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                _condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
            ],
        }

    def on_update(self, new: Json, old: Json) -> None:
        self._default(new)
        new.setdefault("status", {})["acceptedNames"] = new["spec"]["names"]

    def check(self, obj: Json) -> list[FieldError]:
        spec = obj["spec"]
        names = spec["names"]
        errors = [required(f"spec.{field}") for field in ("group", "scope") if not spec.get(field)]
        errors += [required(f"spec.names.{field}") for field in ("plural", "kind") if not names.get(field)]
        if errors:
            return errors
        if spec["scope"] not in ("Cluster", "Namespaced"):
            errors.append(invalid_value("spec.scope", spec["scope"], 'must be "Cluster" or "Namespaced"'))
        if obj["metadata"]["name"] != f"{names['plural']}.{spec['group']}":
            why = 'must be spec.names.plural+"."+spec.group'
            errors.append(invalid_value("metadata.name", obj["metadata"]["name"], why))
        if sum(bool(version.get("storage")) for version in spec["versions"]) != 1:
            why = "must have exactly one version marked as storage version"
            errors.append(invalid_value("spec.versions", [version["name"] for version in spec["versions"]], why))
        for row, version in enumerate(spec["versions"]):
            errors += _check_version(f"spec.versions[{row}]", version)
        return errors

    def _default(self, obj: Json) -> None:
        spec = obj.setdefault("spec", {})
        names = spec.setdefault("names", {})
        spec.setdefault("versions", [])
        spec.setdefault("conversion", {"strategy": "None"})
        if names.get("kind"):
            names.setdefault("listKind", f"{names['kind']}List")
            names.setdefault("singular", names["kind"].lower())


@dataclass(frozen=True, kw_only=True)
class CustomStrategy(Strategy):
    """The rules of one version of a custom kind."""

    schema: Schema
    has_status: bool
    counts_generations: bool = True
    unconditional_update: bool = False

    def on_create(self, obj: Json) -> None:
        if self.has_status:
            obj.pop("status", None)
        self.schema.default(obj)

    def on_update(self, new: Json, old: Json) -> None:
        self.schema.default(new)

    def on_status_update(self, new: Json, old: Json) -> None:
        super().on_status_update(new, old)
        owned = {name: value for name, value in new["metadata"].items() if name == "managedFields"}
        new["metadata"] = {**old["metadata"], **owned}
        self.schema.default(new)

    def generation_grows(self, new: Json, old: Json) -> bool:
        unseen = {"metadata", "status"} if self.has_status else {"metadata"}
        return any(new.get(name) != old.get(name) for name in (new.keys() | old.keys()) - unseen)

    def check(self, obj: Json) -> list[FieldError]:
        return self.schema.validate({name: value for name, value in obj.items() if name != "metadata"})


def custom_resources(crd: Json) -> list[Resource]:
    """The resources that a definition brings: one for each served version, the stored one first."""
    spec = crd["spec"]
    versions = sorted(spec["versions"], key=lambda version: not version.get("storage"))
    stored_as = f"{spec['group']}/{versions[0]['name']}"
    terminating = "deletionTimestamp" in crd["metadata"]
    served = (version for version in versions if version.get("served", True))
    return [_resource(spec, version, stored_as, terminating=terminating) for version in served]


def _resource(spec: Json, version: Json, stored_as: str, *, terminating: bool) -> Resource:
    names, group = spec["names"], spec["group"]
    schema = Schema((version.get("schema") or {}).get("openAPIV3Schema") or {})
    subresources = frozenset(version.get("subresources") or {}) & {"status", "scale"}
    api_version = f"{group}/{version['name']}"
    is_stored = api_version == stored_as

    def shape(obj: Json) -> list[str]:
        metadata = {"metadata": obj["metadata"]}
        unknown = admit(_ONLY_METADATA, metadata, names["kind"], version["name"])
        return unknown + schema.prune(obj)

    return Resource(
        group=group,
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        shape=shape,
        strategy=CustomStrategy(schema=schema, has_status="status" in subresources),
        singular=names.get("singular") or names["kind"].lower(),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=subresources,
        selectable=tuple(field["jsonPath"].lstrip(".") for field in version.get("selectableFields") or ()),
        scale=declared_paths((version.get("subresources") or {}).get("scale")),
        columns=_columns(version.get("additionalPrinterColumns") or []),
        schema=schema,
        terminating=terminating,
        from_stored=None if is_stored else _renamed(api_version),
        to_stored=None if is_stored else _renamed(stored_as),
    )


_ONLY_METADATA: Json = {"type": "object", "properties": {"metadata": schema_of_model("V1ObjectMeta")}}


def _renamed(api_version: str) -> Any:
    return lambda obj: obj.update(apiVersion=api_version)


def _columns(declared: list[Json]) -> tuple[Column, ...]:
    if not declared:
        return (NAME, AGE)
    return NAME, *(
        Column(
            name=column["name"],
            type=column["type"],
            cell=path_cell(column["jsonPath"], column["type"]),
            priority=column.get("priority", 0),
            format=column.get("format", ""),
            description=column.get("description", ""),
        )
        for column in declared
    )


def _condition(condition: str, reason: str, message: str) -> Json:
    return {
        "type": condition,
        "status": "True",
        "lastTransitionTime": timestamp(),
        "reason": reason,
        "message": message,
    }


def _check_version(path: str, version: Json) -> list[FieldError]:
    root = (version.get("schema") or {}).get("openAPIV3Schema")
    if root is None:
        return [required(f"{path}.schema.openAPIV3Schema", "schemas are required")]
    errors = _check_structure(f"{path}.schema.openAPIV3Schema", root)
    for row, column in enumerate(version.get("additionalPrinterColumns") or ()):
        try:
            path_cell(column["jsonPath"])
        except ValueError as error:
            where = f"{path}.additionalPrinterColumns[{row}].jsonPath"
            errors.append(invalid_value(where, column["jsonPath"], str(error)))
    return errors


def _check_structure(path: str, node: Json) -> list[FieldError]:
    """A structural schema names the type of everything (apiextensions `pkg/apiserver/schema/validation.go`)."""
    errors = []
    free = node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields")
    if not node.get("type") and not free:
        errors.append(required(f"{path}.type", "must not be empty for specified object fields"))
    try:
        re.compile(node.get("pattern", ""))
    except re.error as error:
        errors.append(invalid_value(f"{path}.pattern", node["pattern"], f"must be a valid regular expression: {error}"))
    if node.get("properties") and node.get("additionalProperties"):
        why = "additionalProperties and properties are mutual exclusive"
        errors.append(forbidden_field(f"{path}.additionalProperties", why))
    for name, child in (node.get("properties") or {}).items():
        if not (path.endswith("openAPIV3Schema") and name == "metadata"):
            errors += _check_structure(f"{path}.properties[{name}]", child)
    for word in ("items", "additionalProperties"):
        if isinstance(node.get(word), dict):
            errors += _check_structure(f"{path}.{word}", node[word])
    return errors
