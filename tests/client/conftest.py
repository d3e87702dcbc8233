"""A server that answers as a test tells it, request by request, with real HTTP over loopback."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from aiokai.client import ApiClient

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
OVER = web.AppKey("over", asyncio.Event)
"""Set when the test is over: whoever was silent may go home."""


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


@dataclass
class ScriptedServer:
    """Gives its answers in order; the last one again and again, if it may."""

    url: str = ""
    answers: deque[Answer] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)

    def script(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {key.lower(): value for key, value in request.headers.items()}
        self.asked.append(Asked(request.method, request.path, dict(request.query), headers, body))
        assert self.answers, f"nothing is scripted for {request.method} {request.path_qs}"
        return await self.answers.popleft()(request)

    @property
    def paths(self) -> list[str]:
        """What was asked for: `list`, `list CONTINUE`, `watch VERSION` or method and path."""
        return [_word(asked) for asked in self.asked]


def _word(asked: Asked) -> str:
    if "watch" in asked.query:
        return f"watch {asked.query['resourceVersion']}"
    if "limit" in asked.query:
        return f"list {asked.query.get('continue', '')}".strip()
    return f"{asked.method} {asked.path}"


class Nobody:
    """Credentials of a client that says no name."""

    def __init__(self) -> None:
        self.refusals = 0

    async def authorization(self) -> str:
        return ""

    def refused(self) -> None:
        self.refusals += 1


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    app = web.Application(client_max_size=2**24)
    app[OVER] = asyncio.Event()
    app.router.add_route("*", "/{path:.*}", scripted.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield scripted
    app[OVER].set()
    await runner.cleanup()


@pytest.fixture
async def client(server: ScriptedServer) -> AsyncIterator[ApiClient]:
    async with ApiClient(aiohttp.ClientSession(trust_env=False), server.url, Nobody()) as client:
        yield client


# Answers


def body(content: Any, code: int = 200, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        content_bytes = content if isinstance(content, bytes) else json.dumps(content).encode()
        return web.Response(body=content_bytes, status=code, headers=headers, content_type="application/json")

    return answer


def refusal(code: int, reason: str = "", *, causes: tuple[str, ...] = (), retry_after: str = "") -> Answer:
    details = {"causes": [{"reason": cause} for cause in causes]}
    headers = {"Retry-After": retry_after} if retry_after else {}
    return body(_status(code, reason) | {"details": details}, code, **headers)


def page(*objects: dict[str, Any], version: int, following: str = "") -> Answer:
    return body({"metadata": {"resourceVersion": str(version), "continue": following}, "items": list(objects)})


def stream(*chunks: bytes, then: str = "end") -> Answer:
    """A watch that sends these chunks, each of them flushed; `then` it may `end`, be `cut`, or be `silent`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if then == "silent":
            await request.app[OVER].wait()
        if then != "end":
            assert request.transport is not None
            request.transport.abort()
        return response

    return answer


async def silence(request: web.Request) -> web.StreamResponse:
    """No answer at all."""
    await request.app[OVER].wait()
    return web.Response()


async def hang_up(request: web.Request) -> web.StreamResponse:
    """The connection is reset before an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


# What they hold


def pod(name: str, version: int, *, namespace: str = "d", uid: str = "", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": uid or name, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": spec}


def event(kind: str, obj: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def expired() -> bytes:
    return event("ERROR", _status(410, "Expired"))


def _status(code: int, reason: str) -> dict[str, Any]:
    return {"kind": "Status", "code": code, "reason": reason, "message": f"{reason or code} it is"}
