"""HTTP in front of the store: a request's path and method choose a function, its answer becomes bytes.

Paths are taken apart by hand (requests.py) and not by a router, because a CRD may bring new ones at any moment.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from aiokai.localcluster import aggregated, discovery, openapi, openapi_v2, status
from aiokai.localcluster.answers import form_of
from aiokai.localcluster.applies import Applies
from aiokai.localcluster.evictions import Evictions
from aiokai.localcluster.lists import list_page
from aiokai.localcluster.objects import Json, dig, encode
from aiokai.localcluster.requests import (
    APPLY_TYPE,
    Target,
    application_in,
    change_in,
    deletion_in,
    is_watch,
    object_in,
    options_of,
    portion_of,
    query_of,
    start_of,
    target_of,
)
from aiokai.localcluster.resources import Catalog, Resource
from aiokai.localcluster.scale import rescaled, scale_of
from aiokai.localcluster.status import Refusal
from aiokai.localcluster.store import Store, Stored
from aiokai.localcluster.watches import Watch, error_line
from aiokai.localcluster.writes import Options, Writes

_log = logging.getLogger(__name__)

_LARGEST_BODY_BYTES = 3 * 2**20
_HEALTH = frozenset({"/livez", "/readyz", "/healthz"})

Verb = Callable[["ApiServer", web.Request, Target], Awaitable[web.StreamResponse]]


class ApiServer:
    """The HTTP side of one cluster."""

    def __init__(self, store: Store, catalog: Catalog, writes: Writes, evictions: Evictions, applies: Applies) -> None:
        self._store = store
        self._catalog = catalog
        self._writes = writes
        self._evictions = evictions
        self._applies = applies
        self._watches: set[Watch] = set()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=_LARGEST_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    def close_watches(self) -> None:
        for watch in self._watches:
            watch.close()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return self._answer_about_itself(request) or await self._answer_about_objects(request)
        except Refusal as refusal:
            answer = refusal
        except web.HTTPRequestEntityTooLarge:
            answer = status.too_large(_LARGEST_BODY_BYTES)
        except ConnectionError:
            raise
        except Exception as error:
            # One bad request must not look like a broken connection to a client.
            _log.exception("%s %s failed", request.method, request.path)
            answer = status.internal_error(repr(error))
        response = _json(answer.status(), answer.code)
        if wait_s := (answer.details or {}).get("retryAfterSeconds"):
            response.headers["Retry-After"] = str(wait_s)
        return response

    def _answer_about_itself(self, request: web.Request) -> web.Response | None:
        """Discovery, OpenAPI, version and health; None if the request is about objects."""
        if request.path.rstrip("/") in _HEALTH or request.path.startswith(("/livez/", "/readyz/", "/healthz/")):
            return web.Response(text="ok")
        parts = [part for part in request.path.split("/") if part]
        if parts in (["api"], ["apis"]) and aggregated.is_wanted(request.headers.get("Accept", "")):
            lists = aggregated.core_group if parts == ["api"] else aggregated.other_groups
            return web.Response(body=encode(lists(self._catalog)), headers={"Content-Type": aggregated.CONTENT_TYPE})
        match parts:
            case []:
                found: Json | None = {"paths": ["/api", "/apis", "/livez", "/openapi/v3", "/readyz", "/version"]}
            case ["version"]:
                found = discovery.VERSION
            case ["api"]:
                found = discovery.core_versions()
            case ["apis"]:
                found = discovery.groups(self._catalog)
            case ["api", version]:
                found = discovery.resources(self._catalog, "", version)
            case ["apis", group]:
                found = discovery.group(self._catalog, group)
            case ["apis", group, version]:
                found = discovery.resources(self._catalog, group, version)
            case ["openapi", "v2"]:
                return web.Response(body=openapi_v2.document(), content_type=openapi_v2.CONTENT_TYPE)
            case ["openapi", "v3"]:
                found = openapi.index(self._catalog)
            case ["openapi", "v3", "api", version]:
                found = openapi.document(self._catalog, "", version)
            case ["openapi", "v3", "apis", group, version]:
                found = openapi.document(self._catalog, group, version)
            case _:
                return None
        if found is None:
            raise status.no_such_path()
        return _json(found)

    async def _answer_about_objects(self, request: web.Request) -> web.StreamResponse:
        match request.path.strip("/").split("/"):
            case ["apis", group, version, plural] if discovery.is_review(group, version, plural):
                return await self._review(request)
            case ["api", "v1", "namespaces", namespace, "bindings"] if request.method == "POST":
                pods, binding = self._catalog.find("", "v1", "pods"), await object_in(request)
                name = dig(binding, "metadata", "name") or ""
                return await self._bind(request, Target(pods, namespace, name, "binding"))
        target = target_of(self._catalog, request.path)
        verb = _verbs(target).get(request.method)
        if verb is None or (target.resource.namespaced and not target.namespace and _needs_namespace(request, target)):
            raise status.method_not_allowed(target.resource)
        return await verb(self, request, target)

    async def _review(self, request: web.Request) -> web.Response:
        """Everybody may do everything here."""
        return _json(await object_in(request) | {"status": {"allowed": True}}, 201)

    async def _list(self, request: web.Request, target: Target) -> web.StreamResponse:
        if is_watch(request):
            return await self._watch(request, target)
        form = form_of(request.headers.get("Accept", ""), request.query.get("includeObject", ""))
        collection = self._store.collection(target.resource.collection)
        page = list_page(self._store, collection, query_of(request, target), portion_of(request))
        return _json(form.many(target.resource, page.items, page.metadata))

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        form = form_of(request.headers.get("Accept", ""), request.query.get("includeObject", ""))
        watch = Watch(self._store, target.resource, query_of(request, target), start_of(request), form)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        self._watches.add(watch)
        try:
            await response.prepare(request)
            async for chunk in watch.chunks():
                await response.write(chunk)
            await response.write_eof()
        except Refusal as refusal:
            await response.write(error_line(refusal))
        except ConnectionError:
            # The client has left; there is nobody to answer.
            pass
        finally:
            self._watches.discard(watch)
        return response

    async def _create(self, request: web.Request, target: Target) -> web.Response:
        obj, options = await object_in(request), options_of(request)
        stored = self._writes.create(target.resource, target.namespace, obj, options)
        return self._one(request, target, stored, options, 201)

    async def _get(self, request: web.Request, target: Target) -> web.Response:
        stored = self._writes.find(target.resource, (target.namespace, target.name))
        return self._one(request, target, stored, Options(), 200)

    async def _replace(self, request: web.Request, target: Target) -> web.Response:
        obj, options = await object_in(request), options_of(request)
        key = (target.namespace, target.name)
        uid = dig(obj, "metadata", "uid")
        stored = self._writes.update(target.resource, key, lambda _: obj, options, target.subresource, uid)
        return self._one(request, target, stored, options, 200)

    async def _patch(self, request: web.Request, target: Target) -> web.Response:
        key, options = (target.namespace, target.name), options_of(request)
        if request.content_type == APPLY_TYPE:
            application = await application_in(request)
            stored, new = self._applies.apply(target.resource, key, application, options, target.subresource)
            return self._one(request, target, stored, options, 201 if new else 200)
        change = await change_in(request, target.resource)
        stored = self._writes.update(target.resource, key, change, options, target.subresource)
        return self._one(request, target, stored, options, 200)

    async def _delete(self, request: web.Request, target: Target) -> web.Response:
        deletion, options = await deletion_in(request), options_of(request, await object_in(request))
        stored, gone = self._writes.delete(target.resource, (target.namespace, target.name), deletion, options)
        if not gone or target.resource.returns_deleted:
            return self._one(request, target, stored, options, 200)
        details = status.details_of(target.resource, target.name) | {"uid": stored.uid}
        return _json(status.success(details))

    async def _delete_collection(self, request: web.Request, target: Target) -> web.Response:
        deletion, options = await deletion_in(request), options_of(request, await object_in(request))
        query = query_of(request, target)
        collection = self._store.collection(target.resource.collection)
        found = [stored for stored in collection.select(query.namespace) if query.wants(stored)]
        for stored in found:
            self._writes.delete(target.resource, stored.key, deletion, options)
        form = form_of(request.headers.get("Accept", ""))
        return _json(form.many(target.resource, found, {"resourceVersion": str(self._store.version)}))

    async def _bind(self, request: web.Request, target: Target) -> web.Response:
        binding, options = await object_in(request), options_of(request)
        self._writes.bind(target.resource, (target.namespace, target.name), binding, options)
        return _json(status.success() | {"code": 201}, 201)

    async def _evict(self, request: web.Request, target: Target) -> web.Response:
        eviction, options = await object_in(request), options_of(request)
        self._evictions.evict((target.namespace, target.name), eviction, options)
        return _json(status.success() | {"code": 201}, 201)

    async def _scale(self, _: web.Request, target: Target) -> web.Response:
        stored = self._writes.find(target.resource, (target.namespace, target.name))
        return _as_scale(target.resource, stored)

    async def _rescale(self, request: web.Request, target: Target) -> web.Response:
        resource, options = target.resource, options_of(request)
        if request.method == "PATCH":
            change = await change_in(request, resource)
        else:
            scale = await object_in(request)
            change = lambda _: scale  # noqa: E731 - as the other branch, a function
        paths = resource.scale
        assert paths is not None
        key = (target.namespace, target.name)
        stored = self._writes.update(
            resource, key, lambda obj: rescaled(obj, paths, change(scale_of(obj, paths))), options
        )
        return _as_scale(resource, stored)

    async def _logs(self, _: web.Request, target: Target) -> web.Response:
        self._writes.find(target.resource, (target.namespace, target.name))
        return web.Response(text="(no container runs here, so there is no log)\n")

    def _one(self, request: web.Request, target: Target, stored: Any, options: Options, code: int) -> web.Response:
        form = form_of(request.headers.get("Accept", ""), request.query.get("includeObject", ""))
        response = _json(form.one(target.resource, stored), code)
        for warning in options.warnings or ():
            response.headers.add("Warning", f'299 - "{warning.replace(chr(34), chr(92) + chr(34))}"')
        return response


_COLLECTION_VERBS: dict[str, Verb] = {
    "GET": ApiServer._list,
    "POST": ApiServer._create,
    "DELETE": ApiServer._delete_collection,
}
_OBJECT_VERBS: dict[str, Verb] = {
    "GET": ApiServer._get,
    "PUT": ApiServer._replace,
    "PATCH": ApiServer._patch,
    "DELETE": ApiServer._delete,
}
_SUBRESOURCE_VERBS: dict[str, dict[str, Verb]] = {
    "status": {"GET": ApiServer._get, "PUT": ApiServer._replace, "PATCH": ApiServer._patch},
    "finalize": {"PUT": ApiServer._replace},
    "binding": {"POST": ApiServer._bind},
    "eviction": {"POST": ApiServer._evict},
    "scale": {"GET": ApiServer._scale, "PUT": ApiServer._rescale, "PATCH": ApiServer._rescale},
    "log": {"GET": ApiServer._logs},
}


def _verbs(target: Target) -> dict[str, Verb]:
    if target.subresource:
        return _SUBRESOURCE_VERBS.get(target.subresource, {})
    return _OBJECT_VERBS if target.name else _COLLECTION_VERBS


def _needs_namespace(request: web.Request, target: Target) -> bool:
    """Only a list may go across namespaces."""
    return bool(target.name) or request.method != "GET"


def _as_scale(resource: Resource, stored: Stored) -> web.Response:
    assert resource.scale is not None
    return _json(scale_of(resource.opened(stored), resource.scale))


def _json(body: Json | bytes, code: int = 200) -> web.Response:
    raw = body if isinstance(body, bytes) else encode(body)
    return web.Response(body=raw, status=code, content_type="application/json")
