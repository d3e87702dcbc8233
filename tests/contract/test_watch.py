"""Watches: order, resuming without loss, bookmarks, streamed lists and versions that are gone."""

from typing import Any

from tests.contract.server import Server, config_map, pod


async def write_three(server: Server) -> list[str]:
    """Create, change and delete config map c; the versions of the three writes' events."""
    async with server.watch("configmaps", resourceVersion=await now(server)) as events:
        (await server.post("configmaps", config_map())).ok(201)
        (await server.patch("configmaps/c", {"data": {"k": "2"}})).ok()
        (await server.delete("configmaps/c")).ok()
        seen = [await events.next() for _ in range(3)]
    assert [kind for kind, _ in seen] == ["ADDED", "MODIFIED", "DELETED"]
    return [it["metadata"]["resourceVersion"] for _, it in seen]


async def now(server: Server) -> str:
    version: str = (await server.get("configmaps")).ok()["metadata"]["resourceVersion"]
    return version


async def test_a_watch_tells_each_write_in_order(server: Server) -> None:
    versions = [int(it) for it in await write_three(server)]
    assert versions == sorted(set(versions))


async def test_a_watch_resumes_after_the_version_it_names(server: Server) -> None:
    added, changed, deleted = await write_three(server)
    async with server.watch("configmaps", resourceVersion=added) as events:
        seen = [await events.next(), await events.next()]
    versions = [(kind, it["metadata"]["resourceVersion"]) for kind, it in seen]
    assert versions == [("MODIFIED", changed), ("DELETED", deleted)]


async def test_a_cut_stream_is_resumed_without_loss_or_repetition(server: Server) -> None:
    version, seen = await now(server), []
    for first in range(0, 9, 3):
        async with server.watch("configmaps", resourceVersion=version) as events:
            for name in range(first, first + 3):
                (await server.post("configmaps", config_map(f"c{name}"))).ok(201)
            # The third event is left unread in the stream that is cut.
            for _ in range(2 if first < 6 else 5):
                kind, it = await events.next()
                seen.append((kind, it["metadata"]["name"]))
                version = it["metadata"]["resourceVersion"]
    assert seen == [("ADDED", f"c{name}") for name in range(9)]


async def test_a_watch_without_a_version_starts_with_what_exists(server: Server) -> None:
    for name in "ab":
        (await server.post("configmaps", config_map(name))).ok(201)
    async with server.watch("configmaps") as events:
        assert sorted(await events.brief(2)) == [("ADDED", "a"), ("ADDED", "b")]
        (await server.delete("configmaps/a")).ok()
        assert await events.brief(1) == [("DELETED", "a")]


async def test_a_watch_ends_after_its_timeout(server: Server) -> None:
    async with server.watch("configmaps", resourceVersion=await now(server), timeoutSeconds=1) as events:
        assert await events.ended()


async def test_bookmarks_come_with_a_version_only(server: Server) -> None:
    query: dict[str, Any] = {"resourceVersion": await now(server), "timeoutSeconds": 3, "allowWatchBookmarks": "true"}
    async with server.watch("configmaps", **query) as events:
        version = (await server.post("configmaps", config_map())).ok(201)["metadata"]["resourceVersion"]
        assert await events.brief(1) == [("ADDED", "c")]
        # Servers send one shortly before the timeout.
        kind, it = await events.next()
    assert (kind, it["kind"], it["apiVersion"]) == ("BOOKMARK", "ConfigMap", "v1")
    assert int(it["metadata"]["resourceVersion"]) >= int(version)
    assert not it["metadata"].get("name")


async def test_a_streamed_list_ends_with_a_bookmark(server: Server) -> None:
    for name in "ab":
        (await server.post("configmaps", config_map(name))).ok(201)
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with server.watch("configmaps", **query) as events:
        assert sorted(await events.brief(2)) == [("ADDED", "a"), ("ADDED", "b")]
        kind, it = await events.next()
        assert kind == "BOOKMARK"
        assert it["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        (await server.delete("configmaps/b")).ok()
        assert await events.brief(1) == [("DELETED", "b")]


async def test_a_streamed_list_without_its_match_is_invalid(server: Server) -> None:
    (await server.get("configmaps", watch="true", sendInitialEvents="true")).refused(422, "Invalid")


async def test_a_watch_sees_objects_enter_and_leave_its_selection(server: Server) -> None:
    async with server.watch("configmaps", resourceVersion=await now(server), labelSelector="team=red") as events:
        (await server.post("configmaps", config_map())).ok(201)
        for team in ("red", "red", "blue"):
            (await server.patch("configmaps/c", {"metadata": {"labels": {"team": team}}, "data": {team: "x"}})).ok()
        (await server.delete("configmaps/c")).ok()
        (await server.post("configmaps", config_map("last", metadata={"labels": {"team": "red"}}))).ok(201)
        assert await events.brief(3) == [("ADDED", "c"), ("DELETED", "c"), ("ADDED", "last")]


async def test_a_watch_of_one_name_or_node_sees_nothing_else(server: Server) -> None:
    async with (
        server.watch("pods", resourceVersion=await now(server), fieldSelector="metadata.name=b") as named,
        server.watch("pods", resourceVersion=await now(server), fieldSelector="spec.nodeName=n0") as on_node,
    ):
        for name in "ab":
            await server.create_pod(name)
        (await server.bind("b", "n1")).ok(201)
        (await server.bind("a", "n0")).ok(201)
        assert await named.brief(2) == [("ADDED", "b"), ("MODIFIED", "b")]
        assert await on_node.brief(1) == [("ADDED", "a")]


async def test_a_version_that_is_not_a_number_is_refused(server: Server) -> None:
    assert (await server.get("configmaps", watch="true", resourceVersion="yesterday")).status in (400, 500)


async def test_a_version_that_is_no_longer_kept_is_gone(server: Server, widgets: str) -> None:
    # What a server still has of the built-in kinds depends on its age. Of a kind made just now it has nothing older.
    async with server.watch(widgets, resourceVersion="1") as events:
        kind, status = await events.next()
    assert kind == "ERROR"
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith("too old resource version: 1")


async def test_a_list_from_the_future_times_out(server: Server) -> None:
    refusal = (await server.get("configmaps", resourceVersion=2**60)).refused(504, "Timeout")
    assert refusal["message"].startswith("Timeout: Too large resource version")
    assert refusal["details"]["retryAfterSeconds"] == 1


async def test_a_pod_event_carries_kind_and_version(server: Server) -> None:
    async with server.watch("pods", resourceVersion=await now(server)) as events:
        (await server.post("pods", pod())).ok(201)
        _, it = await events.next()
    assert (it["kind"], it["apiVersion"]) == ("Pod", "v1")
