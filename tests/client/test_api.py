import asyncio
from typing import Any

import msgspec
import pytest

from aiokai.client import ApiClient
from aiokai.errors import (
    ApiError,
    BadRequestError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidObjectError,
    NotFoundError,
    ThrottledError,
    UnavailableError,
)
from aiokai.model.kube import Pod
from aiokai.model.resource import NODES, PODS
from tests.client.conftest import (
    Answer,
    ScriptedServer,
    body,
    bookmark,
    event,
    expired,
    hang_up,
    page,
    pod,
    refusal,
    silence,
    stream,
)


async def watched(client: ApiClient, **options: Any) -> list[tuple[str, str]]:
    """Type and name of all events until the stream ends."""
    events = client.watch(PODS, into=Pod, resource_version="1", **options)
    return [(event.type, event.object.metadata.name) async for event in events]


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "error"),
        [
            (400, BadRequestError),
            (401, ForbiddenError),
            (403, ForbiddenError),
            (404, NotFoundError),
            (405, BadRequestError),
            (409, ConflictError),
            (410, ExpiredError),
            (422, BadRequestError),
            (429, ThrottledError),
            (500, UnavailableError),
            (504, UnavailableError),
        ],
    )
    async def test_each_refusal_says_what_the_caller_can_do(
        self, client: ApiClient, server: ScriptedServer, code: int, error: type[ApiError]
    ) -> None:
        server.script(refusal(code, "SomeReason", causes=("First", "Second")))
        with pytest.raises(error, match="GET /api/v1/namespaces/d/pods/p: SomeReason it is") as raised:
            await client.get(PODS, "p", "d", into=Pod)
        assert (raised.value.code, raised.value.reason, raised.value.cause) == (code, "SomeReason", "First")
        assert raised.value.retry_after_s is None

    async def test_the_wait_that_the_server_asks_for_is_told(self, client: ApiClient, server: ScriptedServer) -> None:
        server.script(refusal(429, "TooManyRequests", retry_after="7"))
        with pytest.raises(ThrottledError) as raised:
            await client.get(PODS, "p", "d", into=Pod)
        assert raised.value.retry_after_s == 7

    @pytest.mark.parametrize(
        "answer", [hang_up, body(b"<html>hello</html>"), body(b'{"metadata": {"na'), body(b"<html>no</html>", 503)]
    )
    async def test_what_is_no_answer_leaves_open_what_happened(
        self, client: ApiClient, server: ScriptedServer, answer: Answer
    ) -> None:
        server.script(answer)
        with pytest.raises(UnavailableError):
            await client.create(PODS, {}, "d", into=Pod)

    async def test_nobody_listening_is_unavailable(self, client: ApiClient) -> None:
        client.url = "http://127.0.0.1:1"
        with pytest.raises(UnavailableError):
            await client.get(NODES, "n", into=dict)

    @pytest.mark.looptime
    async def test_a_server_that_does_not_answer_is_given_up_after_the_limit(
        self, client: ApiClient, server: ScriptedServer
    ) -> None:
        server.script(silence)
        began = asyncio.get_running_loop().time()
        with pytest.raises(UnavailableError, match="no answer within 4 s"):
            await client.bind("p", "d", "n", uid="u")
        assert asyncio.get_running_loop().time() - began == pytest.approx(4, abs=0.5)

    async def test_an_object_of_another_shape_names_the_field(self, client: ApiClient, server: ScriptedServer) -> None:
        server.script(body(pod("p", 1, nodeName=7)))
        with pytest.raises(InvalidObjectError) as raised:
            await client.get(PODS, "p", "d", into=Pod)
        assert raised.value.path == "spec.nodeName"


class TestReadingAndWriting:
    async def test_the_caller_chooses_what_it_gets(self, client: ApiClient, server: ScriptedServer) -> None:
        server.script(*[body(pod("p", 3))] * 3)
        assert (await client.get(PODS, "p", "d", into=Pod)).metadata.resource_version == "3"
        assert (await client.get(PODS, "p", "d", into=dict))["metadata"]["name"] == "p"
        assert (await client.get(PODS, "p", "d", into=bytes)).startswith(b'{"metadata"')

    async def test_a_binding_carries_uid_and_annotations(self, client: ApiClient, server: ScriptedServer) -> None:
        server.script(body({}, 201))
        await client.bind("p", "d", "n7", uid="u", annotations={"a": "b"})
        (asked,) = server.asked
        assert (asked.method, asked.path) == ("POST", "/api/v1/namespaces/d/pods/p/binding")
        assert asked.json["target"] == {"apiVersion": "v1", "kind": "Node", "name": "n7"}
        assert asked.json["metadata"] == {"name": "p", "namespace": "d", "uid": "u", "annotations": {"a": "b"}}

    async def test_deleting_states_its_conditions(self, client: ApiClient, server: ScriptedServer) -> None:
        server.script(body({}))
        await client.delete(PODS, "p", "d", uid="u", grace_period_s=0, propagation="Background", dry_run=True)
        assert server.asked[0].json == {
            "preconditions": {"uid": "u"},
            "gracePeriodSeconds": 0,
            "propagationPolicy": "Background",
            "dryRun": ["All"],
        }

    async def test_a_dry_run_is_asked_for_in_the_query(self, client: ApiClient, server: ScriptedServer) -> None:
        server.script(*[body(pod("p", 1))] * 3)
        await client.create(PODS, pod("p", 0), "d", into=bytes, dry_run=True)
        await client.update(PODS, "p", pod("p", 0), "d", into=bytes, dry_run=True)
        await client.patch(PODS, "p", b"{}", "d", into=bytes, subresource="status", dry_run=True)
        assert [asked.query for asked in server.asked] == [{"dryRun": "All"}] * 3
        assert [asked.method for asked in server.asked] == ["POST", "PUT", "PATCH"]
        assert server.asked[2].path == "/api/v1/namespaces/d/pods/p/status"
        assert server.asked[2].headers["content-type"] == "application/merge-patch+json"


class TestListing:
    async def test_pages_follow_one_another(self, client: ApiClient, server: ScriptedServer) -> None:
        server.script(page(pod("a", 1), pod("b", 2), version=9, following="more"), page(pod("c", 3), version=9))
        pages = [answer async for answer in client.list_pages(PODS, "d", into=Pod, page_size=2, label_selector="x=y")]
        assert [item.metadata.name for answer in pages for item in answer.items] == ["a", "b", "c"]
        assert server.asked[1].query == {"limit": "2", "labelSelector": "x=y", "continue": "more"}

    async def test_an_expired_page_is_told(self, client: ApiClient, server: ScriptedServer) -> None:
        server.script(page(pod("a", 1), version=9, following="more"), refusal(410, "Expired"))
        pages = client.list_pages(PODS, into=Pod)
        assert (await anext(pages)).items[0].metadata.name == "a"
        with pytest.raises(ExpiredError):
            await anext(pages)


class TestWatching:
    async def test_lines_are_events_however_they_are_cut(self, client: ApiClient, server: ScriptedServer) -> None:
        text = (
            event("ADDED", pod("a", 2)) + event("MODIFIED", pod("a", 3)) + bookmark(5) + event("DELETED", pod("a", 6))
        )
        server.script(stream(*(text[start : start + 7] for start in range(0, len(text), 7))))
        assert await watched(client) == [("ADDED", "a"), ("MODIFIED", "a"), ("BOOKMARK", ""), ("DELETED", "a")]
        assert server.asked[0].query == {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "1"}

    async def test_a_line_may_be_megabytes_long(self, client: ApiClient, server: ScriptedServer) -> None:
        big = event("ADDED", pod("big", 2, volumes=[{"name": "v" * 3_000_000}]))
        server.script(stream(big + event("ADDED", pod("small", 3))))
        assert await watched(client) == [("ADDED", "big"), ("ADDED", "small")]

    async def test_a_line_that_the_end_cuts_is_dropped(self, client: ApiClient, server: ScriptedServer) -> None:
        server.script(stream(event("ADDED", pod("a", 2)), event("ADDED", pod("b", 3))[:-9]))
        assert await watched(client) == [("ADDED", "a")]

    async def test_a_cut_connection_is_unavailable_after_what_came_whole(
        self, client: ApiClient, server: ScriptedServer
    ) -> None:
        server.script(stream(event("ADDED", pod("a", 2)), b'{"type": "ADD', then="cut"))
        events = client.watch(PODS, into=Pod, resource_version="1")
        assert (await anext(events)).object.metadata.name == "a"
        with pytest.raises(UnavailableError):
            await anext(events)

    @pytest.mark.parametrize("answer", [refusal(410, "Expired"), stream(expired())])
    async def test_a_forgotten_version_is_told_either_way(
        self, client: ApiClient, server: ScriptedServer, answer: Answer
    ) -> None:
        server.script(answer)
        with pytest.raises(ExpiredError):
            await watched(client)

    @pytest.mark.looptime
    async def test_silence_ends_a_watch(self, client: ApiClient, server: ScriptedServer) -> None:
        server.script(stream(bookmark(2), then="silent"))
        began = asyncio.get_running_loop().time()
        with pytest.raises(UnavailableError):
            await watched(client, inactivity_limit_s=70)
        assert asyncio.get_running_loop().time() - began == pytest.approx(70, abs=1)

    async def test_objects_may_be_left_undecoded(self, client: ApiClient, server: ScriptedServer) -> None:
        server.script(stream(event("ADDED", pod("a", 2, nodeName=7))))
        (only,) = [event async for event in client.watch(PODS, into=msgspec.Raw, resource_version="1")]
        assert b'"nodeName": 7' in bytes(only.object)
