"""A plain HTTP and kubectl view of one server, and small objects to send to it."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import yaml

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
WAIT_S = 10.0


class Reply(NamedTuple):
    status: int
    body: dict[str, Any]

    def ok(self, status: int = 200) -> dict[str, Any]:
        """The body of an answer that had to be `status`."""
        assert self.status == status, self.body
        return self.body

    def refused(self, status: int, reason: str) -> dict[str, Any]:
        """The Status object of a refusal."""
        assert (self.status, self.body.get("reason")) == (status, reason), self.body
        assert (self.body["kind"], self.body["apiVersion"], self.body["status"]) == ("Status", "v1", "Failure")
        assert self.body["code"] == status
        assert self.body["message"]
        return self.body


class Events:
    """The events of one watch."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self) -> tuple[str, dict[str, Any]]:
        """Type and object of the next event."""
        async with asyncio.timeout(WAIT_S):
            event = json.loads(await self._answer.content.readline())
        return event["type"], event["object"]

    async def brief(self, count: int) -> list[tuple[str, str]]:
        """Type and object name of the next `count` events."""
        return [(kind, it["metadata"]["name"]) for kind, it in [await self.next() for _ in range(count)]]

    async def ended(self) -> bool:
        """Whether the server ends the stream without another event."""
        async with asyncio.timeout(WAIT_S):
            return await self._answer.content.readline() == b""


@dataclass(frozen=True)
class Server:
    """A test's view of one server. A path without a leading slash is a core kind in the test's own namespace."""

    name: str
    kubeconfig: Path
    namespace: str
    session: aiohttp.ClientSession

    def path(self, path: str) -> str:
        return path if path.startswith("/") else f"/api/v1/namespaces/{self.namespace}/{path}"

    async def send(
        self, method: str, path: str, body: Any = None, media: str = "application/json", **query: Any
    ) -> Reply:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": media} if content else {}
        async with self.session.request(method, self.path(path), data=content, headers=headers, params=query) as answer:
            content = await answer.read()
            # A path that nobody serves is answered in plain text.
            return Reply(answer.status, json.loads(content) if content.startswith(b"{") else {})

    async def get(self, path: str, **query: Any) -> Reply:
        return await self.send("GET", path, **query)

    async def post(self, path: str, body: Any, **query: Any) -> Reply:
        return await self.send("POST", path, body, **query)

    async def put(self, path: str, body: Any, **query: Any) -> Reply:
        return await self.send("PUT", path, body, **query)

    async def patch(self, path: str, body: Any, media: str = MERGE, **query: Any) -> Reply:
        return await self.send("PATCH", path, body, media, **query)

    async def delete(self, path: str, body: Any = None, **query: Any) -> Reply:
        return await self.send("DELETE", path, body, **query)

    async def names(self, path: str, **query: Any) -> list[str]:
        """The names of a list, in the server's order."""
        return [it["metadata"]["name"] for it in (await self.get(path, **query)).ok()["items"]]

    async def create_pod(self, name: str = "p", **changes: Any) -> dict[str, Any]:
        return (await self.post("pods", pod(name, **changes))).ok(201)

    async def bind(self, name: str = "p", node: str = "n0", **metadata: Any) -> Reply:
        return await self.post(f"pods/{name}/binding", binding(name, node, **metadata))

    def watch(self, path: str, **query: Any) -> AbstractAsyncContextManager[Events]:
        return self._watch(path, query)

    @asynccontextmanager
    async def _watch(self, path: str, query: dict[str, Any]) -> AsyncIterator[Events]:
        async with self.session.get(self.path(path), params={"watch": "true", **query}) as answer:
            assert answer.status == 200, await answer.text()
            yield Events(answer)

    async def served(self, path: str) -> None:
        """Wait until the list at `path` is answered, as it is soon after its kind was defined."""
        async with asyncio.timeout(3 * WAIT_S):
            while (await self.get(path)).status != 200:  # noqa: ASYNC110 - happens in another process
                await asyncio.sleep(0.05)

    async def gone(self, path: str) -> None:
        """Wait until `path` answers 404."""
        async with asyncio.timeout(3 * WAIT_S):
            while (await self.get(path)).status != 404:  # noqa: ASYNC110 - happens in another process
                await asyncio.sleep(0.05)

    async def kubectl(self, *words: str, stdin: str = "", succeeds: bool = True) -> str:
        """Run kubectl in the test's namespace.

        Returns: what it printed; what it complained of, if it must not succeed.
        """
        process = await self._start_kubectl(words)
        out, complaint = await process.communicate(stdin.encode())
        assert (process.returncode == 0) == succeeds, f"{out.decode()}\n{complaint.decode()}"
        return (out if succeeds else complaint).decode()

    @asynccontextmanager
    async def kubectl_lines(self, *words: str) -> AsyncIterator[AsyncIterator[str]]:
        """Run a kubectl that does not end by itself, and read what it prints line by line."""
        process = await self._start_kubectl(words)

        async def lines() -> AsyncIterator[str]:
            assert process.stdout is not None
            while True:
                async with asyncio.timeout(WAIT_S):
                    yield (await process.stdout.readline()).decode()

        try:
            yield lines()
        finally:
            process.kill()
            await process.communicate()

    async def _start_kubectl(self, words: tuple[str, ...]) -> asyncio.subprocess.Process:
        where = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        cache = f"--cache-dir={self.kubeconfig.parent / 'kubectl-cache'}"
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            "kubectl", *where, cache, *words, stdin=pipe, stdout=pipe, stderr=pipe
        )


def pod(name: str = "p", *, metadata: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A small valid pod; `spec` adds to or replaces fields of its spec."""
    container = {"name": "main", "image": "busybox", "resources": {"requests": {"cpu": "100m"}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {"containers": [container], **spec},
    }


def config_map(name: str = "c", *, metadata: dict[str, Any] | None = None, **entries: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **(metadata or {})},
        "data": entries or {"k": "1"},
    }


def binding(name: str = "p", node: str = "n0", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name, **metadata},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }


WIDGET_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9},
                "colour": {"type": "string", "enum": ["red", "blue"], "default": "red", "description": "Paint."},
                "parts": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "count": {"type": "integer", "default": 1}},
                    },
                },
                "limits": {
                    "type": "object",
                    "additionalProperties": {
                        "anyOf": [{"type": "integer"}, {"type": "string"}],
                        "x-kubernetes-int-or-string": True,
                    },
                },
                "template": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    },
}


DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGET_GROUP = "contract.example.com"


def widget_definition(group: str) -> dict[str, Any]:
    """A namespaced kind Widget with defaults, limits, a free-form field, a status and printer columns."""
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": WIDGET_SCHEMA},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "description": "Where it is."},
            {"name": "Colour", "type": "string", "jsonPath": ".spec.colour", "priority": 1},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    names = {
        "kind": "Widget",
        "listKind": "WidgetList",
        "plural": "widgets",
        "singular": "widget",
        "shortNames": ["wd"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def widget(
    name: str = "w", *, group: str = WIDGET_GROUP, metadata: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """A small valid Widget; a `spec` field that is None is left out."""
    fields = {key: value for key, value in {"size": 3, **spec}.items() if value is not None}
    return {
        "apiVersion": f"{group}/v1",
        "kind": "Widget",
        "metadata": {"name": name, **(metadata or {})},
        "spec": fields,
    }


@asynccontextmanager
async def own_widgets(server: Server) -> AsyncIterator[str]:
    """Define the kind Widget in an API group of the test's own; the path of its objects."""
    group = f"{server.namespace}.example.com"
    (await server.post(DEFINITIONS, widget_definition(group))).ok(201)
    path = f"/apis/{group}/v1/namespaces/{server.namespace}/widgets"
    try:
        await server.served(path)
        yield path
    finally:
        await server.delete(f"{DEFINITIONS}/widgets.{group}")


def connect(kubeconfig: Path) -> aiohttp.ClientSession:
    """A session that speaks to the server of `kubeconfig`, as its user."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    user = config.get("users", [{"user": {}}])[0]["user"] or {}
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    trust: ssl.SSLContext | bool = True
    if "certificate-authority" in cluster:
        trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
    elif "certificate-authority-data" in cluster:
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        trust = ssl.create_default_context(cadata=authority)
    connector = aiohttp.TCPConnector(ssl=trust)
    # The buffer holds a whole watch event, which is one line.
    return aiohttp.ClientSession(cluster["server"], connector=connector, headers=headers, read_bufsize=2**22)
