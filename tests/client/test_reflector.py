import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest

from aiokai.client import ApiClient
from aiokai.client.reflector import Reflector
from aiokai.errors import InvalidObjectError
from aiokai.model.kube import ObjectMeta, Pod
from aiokai.model.resource import PODS
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
    stream,
)

pytestmark = pytest.mark.looptime


class Seen:
    """What a handler was told: `+a`, `~a`, `-a`, and `!a` for what could not be read."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._changed = asyncio.Event()

    def on_change(self, old: Pod | None, new: Pod | None) -> None:
        sign = "+" if old is None else "-" if new is None else "~"
        obj = new or old
        assert obj is not None
        self._add(sign + obj.metadata.name)

    def on_undecodable(self, metadata: ObjectMeta, error: InvalidObjectError | None) -> None:
        self._add(f"!{metadata.name} {error.path}" if error else f"-!{metadata.name}")

    def _add(self, word: str) -> None:
        self.words.append(word)
        self._changed.set()

    async def until(self, word: str) -> list[str]:
        """All words, once `word` is one of them."""
        async with asyncio.timeout(600):
            while word not in self.words:
                self._changed.clear()
                await self._changed.wait()
        return self.words


@asynccontextmanager
async def running(client: ApiClient, inactivity_limit_s: float = 70) -> AsyncIterator[tuple[Reflector[Pod], Seen]]:
    seen = Seen()
    reflector = Reflector(
        client,
        PODS,
        msgspec.json.Decoder(Pod).decode,
        seen.on_change,
        on_undecodable=seen.on_undecodable,
        inactivity_limit_s=inactivity_limit_s,
    )
    task = asyncio.create_task(reflector.run())
    try:
        yield reflector, seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


SILENT = stream(then="silent")


async def test_the_store_follows_list_and_watch(client: ApiClient, server: ScriptedServer) -> None:
    changes = (event("MODIFIED", pod("a", 11)), event("DELETED", pod("b", 12)), event("ADDED", pod("c", 13)))
    server.script(page(pod("a", 1), version=9, following="2"), page(pod("b", 2), version=9))
    server.script(stream(*changes, then="silent"))
    async with running(client) as (reflector, seen):
        await reflector.synced.wait()
        assert seen.words[:2] == ["+a", "+b"]
        assert await seen.until("+c") == ["+a", "+b", "~a", "-b", "+c"]
        assert {key: obj.metadata.resource_version for key, obj in reflector.store.items()} == {
            ("d", "a"): "11",
            ("d", "c"): "13",
        }
        assert server.paths == ["list", "list 2", "watch 9"]


async def test_a_plain_end_is_resumed_at_once_from_the_last_version(client: ApiClient, server: ScriptedServer) -> None:
    server.script(page(version=9), stream(event("ADDED", pod("a", 10)), bookmark(15)))
    server.script(
        stream(event("ADDED", pod("b", 16)), event("ADDED", pod("c", 17))[:-9]), stream(bookmark(30), then="silent")
    )
    async with running(client) as (reflector, seen):
        began = asyncio.get_running_loop().time()
        await seen.until("+b")
        await reflector.store.seen("16")
        assert asyncio.get_running_loop().time() - began < 0.1
        await reflector.store.seen("30")
        assert server.paths == ["list", "watch 9", "watch 15", "watch 16"]


async def test_a_relist_finds_what_was_deleted_meanwhile(client: ApiClient, server: ScriptedServer) -> None:
    server.script(page(pod("a", 1), pod("b", 2), pod("c", 3), pod("d", 4), version=9), stream(expired()))
    server.script(page(pod("b", 2), pod("c", 20), pod("d", 21, uid="another"), pod("e", 22), version=30), SILENT)
    async with running(client) as (_, seen):
        await seen.until("-a")
        assert seen.words[4:] == ["~c", "-d", "+d", "+e", "-a"]
        assert server.paths[:3] == ["list", "watch 9", "list"]


@pytest.mark.parametrize("answer", [refusal(410, "Expired"), stream(expired())])
async def test_a_forgotten_version_leads_to_a_new_list(
    client: ApiClient, server: ScriptedServer, answer: Answer
) -> None:
    server.script(page(version=9), answer, page(pod("a", 10), version=10), SILENT)
    async with running(client) as (_, seen):
        assert await seen.until("+a") == ["+a"]


async def test_a_page_that_expired_begins_the_list_anew(client: ApiClient, server: ScriptedServer) -> None:
    server.script(page(pod("a", 1), version=9, following="2"), refusal(410, "Expired"))
    server.script(page(pod("b", 2), version=12, following="2"), page(pod("c", 3), version=12), SILENT)
    async with running(client) as (reflector, seen):
        await reflector.synced.wait()
        assert seen.words == ["+a", "+b", "+c", "-a"]
        assert server.paths[:4] == ["list", "list 2", "list", "list 2"]


async def test_a_broken_stream_loses_nothing(client: ApiClient, server: ScriptedServer) -> None:
    cut = stream(event("ADDED", pod("a", 10)), event("ADDED", pod("b", 11))[:20], then="cut")
    server.script(page(version=9), cut, hang_up, refusal(500), stream(event("ADDED", pod("b", 11)), then="silent"))
    async with running(client) as (_, seen):
        assert await seen.until("+b") == ["+a", "+b"]
        # aiohttp itself asks once more after a reset of a connection that it had used before.
        assert set(server.paths[2:]) == {"watch 10"}


async def test_silence_is_a_broken_stream(client: ApiClient, server: ScriptedServer) -> None:
    server.script(
        page(version=9), stream(bookmark(20), then="silent"), stream(event("ADDED", pod("a", 21)), then="silent")
    )
    async with running(client) as (_, seen):
        await seen.until("+a")
        assert server.paths == ["list", "watch 9", "watch 20"]
        assert 70 <= asyncio.get_running_loop().time() < 75


async def test_errors_are_retried_ever_more_slowly(client: ApiClient, server: ScriptedServer) -> None:
    server.script(*[refusal(500)] * 6, page(pod("a", 1), version=9), SILENT)
    async with running(client) as (_, seen):
        await seen.until("+a")
        # 0.25 + 0.5 + … + 8 s, each shortened by up to a half.
        assert 7.8 < asyncio.get_running_loop().time() < 16.5


async def test_a_server_that_says_how_long_to_wait_is_obeyed(client: ApiClient, server: ScriptedServer) -> None:
    server.script(refusal(429, retry_after="40"), page(pod("a", 1), version=9), SILENT)
    async with running(client) as (_, seen):
        await seen.until("+a")
        assert asyncio.get_running_loop().time() >= 40


async def test_a_watch_that_ends_without_a_word_is_no_tight_loop(client: ApiClient, server: ScriptedServer) -> None:
    server.script(page(version=9), *[stream()] * 5, stream(event("ADDED", pod("a", 10)), then="silent"))
    async with running(client) as (_, seen):
        await seen.until("+a")
        assert asyncio.get_running_loop().time() > 3.8


@pytest.mark.parametrize(("code", "word"), [(404, "missing"), (403, "forbidden")])
async def test_an_absent_api_is_named_once_and_picked_up_later(
    client: ApiClient, server: ScriptedServer, caplog: pytest.LogCaptureFixture, code: int, word: str
) -> None:
    server.script(*[refusal(code)] * 5, page(pod("a", 1), version=9), SILENT)
    with caplog.at_level(logging.WARNING):
        async with running(client) as (reflector, seen):
            await reflector.synced.wait()
            assert reflector.absent is not None
            assert reflector.absent.code == code
            await seen.until("+a")
            await reflector.store.seen("9")
            assert reflector.absent is None
            assert 25 < asyncio.get_running_loop().time() <= 55
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"pods: {word}" in line


async def test_what_an_absent_api_held_is_kept(client: ApiClient, server: ScriptedServer) -> None:
    server.script(page(pod("a", 1), version=9), refusal(403), page(pod("a", 1), pod("b", 2), version=10), SILENT)
    async with running(client) as (_, seen):
        assert await seen.until("+b") == ["+a", "+b"]


async def test_an_object_that_cannot_be_read_stops_nobody(client: ApiClient, server: ScriptedServer) -> None:
    server.script(page(pod("bad", 1, nodeName=7), pod("a", 2), version=9))
    changes = (event("MODIFIED", pod("a", 10, priority="high")), event("ADDED", pod("b", 11)))
    repaired = (
        event("MODIFIED", pod("a", 12)),
        event("DELETED", pod("bad", 13, nodeName=7)),
        event("ADDED", pod("c", 14)),
    )
    server.script(stream(*changes, *repaired, then="silent"))
    async with running(client) as (_, seen):
        await seen.until("+c")
        assert seen.words == ["!bad spec.nodeName", "+a", "!a spec.priority", "-a", "+b", "+a", "-!bad", "+c"]


async def test_an_answer_that_is_no_list_deletes_nothing(client: ApiClient, server: ScriptedServer) -> None:
    server.script(page(pod("a", 1), version=9), stream(expired()), body({"message": "please log in"}))
    server.script(page(pod("a", 1), pod("b", 2), version=10), SILENT)
    async with running(client) as (_, seen):
        assert await seen.until("+b") == ["+a", "+b"]


async def test_a_writer_waits_until_its_write_is_seen(client: ApiClient, server: ScriptedServer) -> None:
    server.script(
        page(version=9), stream(event("ADDED", pod("a", 10)), then="silent"), stream(bookmark(20), then="silent")
    )
    async with running(client) as (reflector, _):
        await reflector.synced.wait()
        await reflector.store.seen("9")
        gone = asyncio.create_task(reflector.store.seen("19"))
        await reflector.store.seen("10")
        assert ("d", "a") in reflector.store
        assert not gone.done()
        await gone
