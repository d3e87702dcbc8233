"""OpenAPI: what `kubectl explain` shows and what `kubectl apply` asks before it sends.

Version 3 has one document a group version, built from the client's types for built-in kinds and from the CRD's own
schema for custom ones. kubectl also looks for the query parameter `fieldValidation` of each kind's PATCH: where it is
declared, the server validates. Version 2 is in openapi_v2.py.
"""

from aiokai.localcluster.objects import Json
from aiokai.localcluster.resources import Catalog, Resource
from aiokai.localcluster.typed import schema_of_model

_INFO: Json = {"title": "Kubernetes", "version": "v1.34.0"}
_KIND = "x-kubernetes-group-version-kind"
_QUERY = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]


def index(catalog: Catalog) -> Json:
    """Where the document of each group version is; the address changes with the content."""
    paths = {}
    for group, versions in catalog.group_versions().items():
        for version in versions:
            path = f"apis/{group}/{version}" if group else f"api/{version}"
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={catalog.revision}"}
    return {"paths": paths}


def document(catalog: Catalog, group: str, version: str) -> Json | None:
    """The OpenAPI v3 document of one group version, None if there is no such."""
    resources = catalog.in_version(group, version)
    if not resources:
        return None
    paths: Json = {}
    schemas: Json = {}
    for resource in resources:
        paths |= _paths(resource)
        schemas[_name(resource)] = _schema(resource, schemas)
    return {"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": schemas}}


def _name(resource: Resource) -> str:
    group = resource.group or "core"
    return f"io.k8s.api.{group}.{resource.version}.{resource.kind}"


def _gvk(resource: Resource) -> Json:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _paths(resource: Resource) -> Json:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    base = f"{root}/{'namespaces/{namespace}/' if resource.namespaced else ''}{resource.plural}"
    operations = {"post": "post", "get": "list"}
    return {
        base: {method: _operation(resource, action) for method, action in operations.items()},
        f"{base}/{{name}}": {method: _operation(resource, method) for method in ("get", "put", "patch", "delete")},
    }


def _operation(resource: Resource, action: str) -> Json:
    return {
        "operationId": f"{action}{resource.version}{resource.kind}",
        "parameters": _QUERY,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        _KIND: _gvk(resource),
    }


def _schema(resource: Resource, schemas: Json) -> Json:
    """The schema of a kind; the types that it refers to are added to `schemas`."""
    if resource.schema is None:
        return _flat(schema_of_model(resource.model), schemas) | {_KIND: [_gvk(resource)]}
    own = resource.schema.root
    standard = schema_of_model("V1Pod")["properties"]
    head = {name: _flat(standard[name], schemas) for name in ("apiVersion", "kind")}
    head["metadata"] = _reference(schema_of_model("V1ObjectMeta"), schemas)
    properties = {**(own.get("properties") or {}), **head}
    return {**own, "properties": properties, _KIND: [_gvk(resource)]}


def _reference(model: Json, schemas: Json) -> Json:
    name = f"io.k8s.api.{model['title'].removeprefix('V1')}"
    if name not in schemas:
        schemas[name] = {}
        schemas[name] = _flat(model, schemas)
    reference = {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}
    return reference | {"description": model["description"]} if "description" in model else reference


def _flat(node: Json, schemas: Json) -> Json:
    """A schema in which other types are references; the shared ones are cyclic, a document must not be."""
    flat = {word: value for word, value in node.items() if word not in ("title", "properties", "items")}
    if isinstance(node.get("additionalProperties"), dict):
        flat["additionalProperties"] = _linked(node["additionalProperties"], schemas)
    if "items" in node:
        flat["items"] = _linked(node["items"], schemas)
    if "properties" in node:
        flat["properties"] = {name: _linked(child, schemas) for name, child in node["properties"].items()}
    return flat


def _linked(node: Json, schemas: Json) -> Json:
    return _reference(node, schemas) if "title" in node else _flat(node, schemas)
