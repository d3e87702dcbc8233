"""Reading a request: which resource its path means, what its query and body ask for."""

from typing import Any, Literal, NamedTuple

import msgspec
import yaml
from aiohttp import web

from aiokai.localcluster import protobuf
from aiokai.localcluster.applies import Application
from aiokai.localcluster.lists import Portion, Query
from aiokai.localcluster.objects import Json, decode
from aiokai.localcluster.patches import json_patch, merge_patch, strategic_merge_patch
from aiokai.localcluster.resources import ALWAYS_SELECTABLE, Catalog, Resource
from aiokai.localcluster.selectors import parse_field_selector, parse_label_selector
from aiokai.localcluster.status import (
    bad_request,
    forbidden_field,
    invalid_options,
    no_such_path,
    required,
    unsupported,
    unsupported_media_type,
)
from aiokai.localcluster.watches import DEFAULT_TIMEOUT_S, Start
from aiokai.localcluster.writes import Change, Deletion, Options

APPLY_TYPE = "application/apply-patch+yaml"
_YAML_TYPES = ("application/yaml", APPLY_TYPE)
_TRUE = ("true", "1")


class Target(NamedTuple):
    """What a path points at."""

    resource: Resource
    namespace: str
    """Empty for cluster-scoped resources, and for all namespaces."""
    name: str
    """Empty for the collection."""
    subresource: str


def target_of(catalog: Catalog, path: str) -> Target:
    """Raises: Refusal 404."""
    match [part for part in path.split("/") if part]:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise no_such_path()
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and not (group == "" and rest[2] in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3:
        raise no_such_path()
    resource = catalog.find(group, version, rest[0])
    name, subresource = [*rest[1:], "", ""][:2]
    if (namespace and not resource.namespaced) or (subresource and subresource not in resource.subresources):
        raise no_such_path()
    return Target(resource, namespace, name, subresource)


async def body_of(request: web.Request) -> Any:
    """The body, from JSON, YAML or protobuf.

    Raises: Refusal 400 or 415.
    """
    raw = await request.read()
    content_type = request.content_type
    if content_type in _YAML_TYPES:
        return _parse_yaml(raw)
    if content_type == protobuf.CONTENT_TYPE and raw:
        return protobuf.from_protobuf(raw)
    if content_type.endswith("json") or content_type in ("application/octet-stream", "*/*") or not raw:
        try:
            return decode(raw) if raw else {}
        except msgspec.DecodeError as error:
            raise bad_request(f"couldn't parse the body: {error}") from error
    raise unsupported_media_type(content_type, f"application/json, application/yaml, {protobuf.CONTENT_TYPE}")


async def object_in(request: web.Request) -> Json:
    """Raises: Refusal 400 if the body is not one JSON object."""
    body = await body_of(request)
    if not isinstance(body, dict):
        raise bad_request("the body of the request must be a JSON object")
    return body


async def application_in(request: web.Request) -> Application:
    """What a PATCH applies.

    Raises: Refusal 400 or 422.
    """
    manager = request.query.get("fieldManager", "")
    if not manager:
        raise invalid_options("PatchOptions", required("fieldManager", "is required for apply patch"))
    return Application(await object_in(request), manager, request.query.get("force") in _TRUE)


async def change_in(request: web.Request, resource: Resource) -> Change:
    """The change that a PATCH asks for.

    Raises: Refusal 400, 415 or 422.
    """
    if "force" in request.query:
        raise invalid_options("PatchOptions", forbidden_field("force", "may not be specified for non-apply patch"))
    patch = await body_of(request)
    match request.content_type:
        case "application/json-patch+json":
            return lambda obj: json_patch(obj, patch)
        case "application/merge-patch+json":
            merge = merge_patch
        case "application/strategic-merge-patch+json" if resource.schema is None:
            merge = strategic_merge_patch
        case other:
            custom = "application/json-patch+json, application/merge-patch+json"
            offered = custom if resource.schema else f"{custom}, application/strategic-merge-patch+json"
            offered += f", {APPLY_TYPE}"
            raise unsupported_media_type(other, offered)
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: the patch must be a JSON object")
    return lambda obj: merge(obj, patch)


async def deletion_in(request: web.Request) -> Deletion:
    """Raises: Refusal 400."""
    body = await object_in(request)
    if "gracePeriodSeconds" in request.query:
        body["gracePeriodSeconds"] = number_in(request, "gracePeriodSeconds")
    if policy := request.query.get("propagationPolicy"):
        body["propagationPolicy"] = policy
    return deletion_of(body)


def deletion_of(options: Json) -> Deletion:
    """What DeleteOptions mean."""
    preconditions = options.get("preconditions") or {}
    return Deletion(
        grace_period_s=options.get("gracePeriodSeconds"),
        policy=options.get("propagationPolicy") or ("Orphan" if options.get("orphanDependents") else "Background"),
        uid=preconditions.get("uid"),
        version=preconditions.get("resourceVersion"),
    )


def options_of(request: web.Request, body: Json | None = None) -> Options:
    """Raises: Refusal 422."""
    dry_run = request.query.getall("dryRun", None) or (body or {}).get("dryRun") or []
    if any(value != "All" for value in dry_run):
        raise invalid_options("WriteOptions", unsupported("dryRun", dry_run, ("All",)))
    manager = request.query.get("fieldManager") or request.headers.get("User-Agent", "").partition("/")[0]
    return Options(bool(dry_run), _field_validation(request.query.get("fieldValidation", "Warn")), [], manager)


def _field_validation(text: str) -> Literal["Strict", "Warn", "Ignore"]:
    match text:
        case "Strict" | "Warn" | "Ignore":
            return text
    raise invalid_options("WriteOptions", unsupported("fieldValidation", text, ("Ignore", "Strict", "Warn")))


def query_of(request: web.Request, target: Target) -> Query:
    """Raises: Refusal 400."""
    labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
    known = (*ALWAYS_SELECTABLE, *target.resource.selectable)
    return Query(target.namespace, parse_label_selector(labels), parse_field_selector(fields, known))


def portion_of(request: web.Request) -> Portion:
    """Raises: Refusal 400 or 422."""
    version, match = number_in(request, "resourceVersion"), request.query.get("resourceVersionMatch")
    if match and "resourceVersion" not in request.query:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise invalid_options("ListOptions", forbidden_field("resourceVersionMatch", why))
    token = request.query.get("continue", "")
    if token and version:
        raise bad_request("specifying resource version is not allowed when using continue")
    return Portion(number_in(request, "limit"), token, version, exactly=match == "Exact" and version > 0)


def start_of(request: web.Request) -> Start:
    """Raises: Refusal 400 or 422."""
    streams_list, match = "sendInitialEvents" in request.query, request.query.get("resourceVersionMatch")
    if streams_list and match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise invalid_options("ListOptions", forbidden_field("resourceVersionMatch", why))
    if match and not streams_list:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        raise invalid_options("ListOptions", forbidden_field("resourceVersionMatch", why))
    return Start(
        version=number_in(request, "resourceVersion"),
        initial_events=request.query["sendInitialEvents"] in _TRUE if streams_list else None,
        bookmarks=request.query.get("allowWatchBookmarks") in _TRUE,
        timeout_s=number_in(request, "timeoutSeconds") or DEFAULT_TIMEOUT_S,
    )


def is_watch(request: web.Request) -> bool:
    return request.query.get("watch") in _TRUE


def number_in(request: web.Request, name: str) -> int:
    """A number of the query, 0 if it is absent.

    Raises: Refusal 400.
    """
    text = request.query.get(name) or "0"
    if not text.isdecimal():
        raise bad_request(f'invalid {name}: strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def _parse_yaml(raw: bytes) -> Any:
    try:
        return yaml.load(raw, _Loader)
    except yaml.YAMLError as error:
        raise bad_request(f"couldn't parse the body: {error}") from error


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: timestamps stay text."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
