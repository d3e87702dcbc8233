"""List, watch and write over HTTP.

One session of our own carries every request: kubernetes_asyncio's is four to six times slower, its typed calls decode
every field of an object, and its binding call raises on success. An answer that is not the wanted one, or none, leaves
here as an `ApiError`; nothing of aiohttp is seen outside. Nothing is tried twice here: only the caller knows whether it
may, and whether it still wants to.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Generic, Literal, Protocol, Self, TypeVar

import aiohttp
import msgspec

from aiokai.client.answers import decode, decoder_of, encode, error_of
from aiokai.errors import UnavailableError
from aiokai.model.kube import KubeStruct, ObjectList
from aiokai.model.resource import PODS, Resource

T = TypeVar("T")
Body = msgspec.Struct | dict[str, Any] | bytes

REQUEST_TIMEOUT_S: Final = 4.0
"""For one object. Shorter than the renew deadline of a lease leaves room for a second try."""
LIST_TIMEOUT_S: Final = 60.0
"""For one page of a list."""
PAGE_SIZE: Final = 500
INACTIVITY_LIMIT_S: Final = 70.0
"""Silence after which a watch counts as dead: servers send a bookmark about once a minute."""

MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH: Final = "application/strategic-merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


class WatchEvent(msgspec.Struct, Generic[T], frozen=True):
    """What happened to one object. The object of a BOOKMARK holds nothing but its resourceVersion."""

    type: EventType
    object: T


class Credentials(Protocol):
    async def authorization(self) -> str:
        """The Authorization header of now; empty without one."""

    def refused(self) -> None:
        """The server did not accept the last header: get a new one for the next request."""


class ApiClient:
    """The API server, as everything in aiokai reaches it.

    Answers are decoded into the type `into`: a msgspec type, `dict` for plain JSON, `bytes` for the bytes as they came.
    Every method raises `ApiError`, and `InvalidObjectError` if the answer does not fit `into`.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, credentials: Credentials, *, server_name: str | None = None
    ) -> None:
        """Use `session`, which is closed with this client.

        Args:
            session: made for this server (its TLS, proxy and connection limit); not shared.
            url: of the API server, without a path at its end.
            credentials: who we are.
            server_name: the name that the server's certificate must bear, if it is not the one in `url`.
        """
        self.url = url
        self._session = session
        self._credentials = credentials
        self._server_name = server_name

    async def close(self) -> None:
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # Reading

    async def get(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        into: type[T],
        subresource: str = "",
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> T:
        return await self.get_path(resource.path(namespace, name, subresource), into=into, timeout_s=timeout_s)

    async def get_path(self, path: str, *, into: type[T], timeout_s: float = REQUEST_TIMEOUT_S) -> T:
        """What stands under a path that is no object's, such as `/version`."""
        return await self._answer("GET", path, into, timeout_s=timeout_s)

    async def list_pages(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        into: type[T],
        label_selector: str = "",
        field_selector: str = "",
        page_size: int = PAGE_SIZE,
        timeout_s: float = LIST_TIMEOUT_S,
    ) -> AsyncGenerator[ObjectList[T], None]:
        """All objects of one version of the collection, page by page.

        Args:
            resource: what to list.
            namespace: only there; everywhere if empty.
            into: type of one object.
            label_selector: as in `kubectl get -l`.
            field_selector: as in `kubectl get --field-selector`.
            page_size: objects a page, at most.
            timeout_s: limit for one page.

        Raises:
            ExpiredError: the server has forgotten that version before the last page; begin anew.
        """
        query = {**_selectors(label_selector, field_selector), "limit": str(page_size)}
        while True:
            page = await self._answer(
                "GET",
                resource.path(namespace),
                ObjectList[into],  # type: ignore[valid-type]  # a type made at run time
                query=query,
                timeout_s=timeout_s,
            )
            yield page
            if not page.metadata.continue_:
                return
            query["continue"] = page.metadata.continue_

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        into: type[T],
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        inactivity_limit_s: float = INACTIVITY_LIMIT_S,
    ) -> AsyncGenerator[WatchEvent[T], None]:
        """What happens after `resource_version`, bookmarks included, until the server ends the stream.

        A line that the end of the stream cut is dropped: the server sends it again to who resumes before it.

        Raises:
            ExpiredError: the server has forgotten what came after `resource_version`; list again.
            UnavailableError: the stream broke, or was silent for longer than `inactivity_limit_s`.
            InvalidObjectError: an object is no `into`. Who must go on watches with `msgspec.Raw` and decodes itself.
        """
        query = {
            **_selectors(label_selector, field_selector),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
        }
        path = resource.path(namespace)
        envelope = decoder_of(_Envelope)
        async with self._exchange("GET", path, query=query, timeout_s=inactivity_limit_s) as answer:
            async for lines in _line_batches(answer.content, inactivity_limit_s):
                for line in lines:
                    try:
                        event = envelope.decode(line)
                    except msgspec.DecodeError as error:
                        raise UnavailableError(f"watch {path}: a line is no event: {error}") from error
                    if event.type == "ERROR":
                        raise error_of(bytes(event.object), what=f"watch {path}")
                    yield WatchEvent(event.type, decode(into, event.object))

    # Writing

    async def create(
        self,
        resource: Resource,
        body: Body,
        namespace: str = "",
        *,
        into: type[T],
        name: str = "",
        subresource: str = "",
        dry_run: bool = False,
        strict: bool = False,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> T:
        """POST `body`; with `name` and `subresource` to the subresource of that object.

        With `strict`, a field that the server does not know is refused instead of dropped.
        """
        path = resource.path(namespace, name, subresource)
        query = _dry(dry_run) | ({"fieldValidation": "Strict"} if strict else {})
        return await self._answer("POST", path, into, body=body, query=query, timeout_s=timeout_s)

    async def update(
        self,
        resource: Resource,
        name: str,
        body: Body,
        namespace: str = "",
        *,
        into: type[T],
        subresource: str = "",
        dry_run: bool = False,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> T:
        """Replace the object; a `resourceVersion` in `body` must still be the stored one."""
        path = resource.path(namespace, name, subresource)
        return await self._answer("PUT", path, into, body=body, query=_dry(dry_run), timeout_s=timeout_s)

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Body,
        namespace: str = "",
        *,
        into: type[T],
        media: str = MERGE_PATCH,
        subresource: str = "",
        dry_run: bool = False,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> T:
        """Change what `body` names.

        Raises:
            ConflictError: a `metadata.resourceVersion` in `body` is not the stored one.
            BadRequestError: a `metadata.uid` in `body` is not the stored one: to the server it is a field like others.
        """
        path = resource.path(namespace, name, subresource)
        return await self._answer("PATCH", path, into, body=body, media=media, query=_dry(dry_run), timeout_s=timeout_s)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        grace_period_s: int | None = None,
        propagation: Literal["", "Background", "Foreground", "Orphan"] = "",
        dry_run: bool = False,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        """Delete the object, if its uid is `uid` where that is given."""
        options = _DeleteOptions(
            preconditions=_Preconditions(uid) if uid else None,
            grace_period_seconds=grace_period_s,
            propagation_policy=propagation or None,
            dry_run=("All",) if dry_run else (),
        )
        await self._answer("DELETE", resource.path(namespace, name), bytes, body=options, timeout_s=timeout_s)

    async def bind(
        self,
        name: str,
        namespace: str,
        node: str,
        *,
        uid: str,
        annotations: Mapping[str, str] | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        """Put the pod on the node, and `annotations` on the pod, in one write.

        The answer brings no new resourceVersion; the watch does.
        """
        binding = _Binding(_BindingMeta(name, namespace, uid, annotations or {}), _Target(node))
        await self._answer("POST", PODS.path(namespace, name, "binding"), bytes, body=binding, timeout_s=timeout_s)

    async def _answer(
        self,
        method: str,
        path: str,
        into: type[T],
        *,
        body: Body | None = None,
        media: str = "application/json",
        query: Mapping[str, str] | None = None,
        timeout_s: float,
    ) -> T:
        async with self._exchange(
            method, path, body=body, media=media, query=query, timeout_s=timeout_s, limit_total=True
        ) as answer:
            content = await answer.read()
        return decode(into, content)

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        media: str = "application/json",
        query: Mapping[str, str] | None = None,
        timeout_s: float,
        limit_total: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A successful answer, not yet read.

        Args:
            method: of HTTP.
            path: below the server's URL.
            body: what to send.
            media: type of the body.
            query: of the URL.
            timeout_s: limit until the answer begins.
            limit_total: the same limit holds until the answer was read.
        """
        headers = {}
        if authorization := await self._credentials.authorization():
            headers["Authorization"] = authorization
        if body is not None:
            headers["Content-Type"] = media
        try:
            async with asyncio.timeout(timeout_s) as limit:
                async with self._session.request(
                    method,
                    self.url + path,
                    params=query,
                    data=None if body is None else encode(body),
                    headers=headers,
                    server_hostname=self._server_name,
                    allow_redirects=False,
                ) as answer:
                    if answer.status >= 300:
                        if answer.status == 401:
                            self._credentials.refused()
                        content = await answer.read()
                        retry_after = answer.headers.get("Retry-After")
                        what = f"{method} {path}"
                        raise error_of(content, code=answer.status, retry_after=retry_after, what=what)
                    if not limit_total:
                        limit.reschedule(None)
                    yield answer
        except TimeoutError as error:
            raise UnavailableError(f"{method} {path}: no answer within {timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnavailableError(f"{method} {path}: {error or type(error).__name__}") from error


async def _line_batches(content: aiohttp.StreamReader, inactivity_limit_s: float) -> AsyncIterator[list[bytes]]:
    """The whole lines of a stream, as many at a time as have arrived."""
    rest = bytearray()
    while True:
        async with asyncio.timeout(inactivity_limit_s):
            chunk = await content.readany()
        if not chunk:
            return
        rest += chunk
        # Only the new bytes are searched: a line of megabytes comes in many chunks.
        end = rest.rfind(b"\n", len(rest) - len(chunk))
        if end >= 0:
            lines = bytes(rest[:end]).split(b"\n")
            del rest[: end + 1]
            yield lines


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    given = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: selector for key, selector in given.items() if selector}


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


class _Envelope(msgspec.Struct, frozen=True):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


class _Preconditions(KubeStruct, frozen=True):
    uid: str


class _DeleteOptions(KubeStruct, frozen=True):
    preconditions: _Preconditions | None = None
    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    dry_run: tuple[str, ...] = ()


class _BindingMeta(KubeStruct, frozen=True):
    name: str
    namespace: str
    uid: str
    annotations: Mapping[str, str]


class _Target(KubeStruct, frozen=True, omit_defaults=False):
    name: str
    kind: str = "Node"
    api_version: str = "v1"


class _Binding(KubeStruct, frozen=True, omit_defaults=False):
    metadata: _BindingMeta
    target: _Target
    kind: str = "Binding"
    api_version: str = "v1"
