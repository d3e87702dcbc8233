"""Lists: selectors, pages and the version that a watch may start from."""

import pytest

from tests.contract.server import Server, config_map


@pytest.fixture
async def teams(server: Server) -> Server:
    """Four config maps: a and c of team red, b of team blue, d of none."""
    for name, labels in (("a", {"team": "red"}), ("b", {"team": "blue"}), ("c", {"team": "red"}), ("d", {})):
        (await server.post("configmaps", config_map(name, metadata={"labels": labels}))).ok(201)
    return server


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("team=red", "ac"),
        ("team==blue", "b"),
        ("team!=red", "bd"),
        ("team", "abc"),
        ("!team", "d"),
        ("team in (red,blue)", "abc"),
        ("team notin (red)", "bd"),
        ("team,team!=red", "b"),
        ("", "abcd"),
    ],
)
async def test_a_list_is_selected_by_label(teams: Server, selector: str, names: str) -> None:
    assert await teams.names("configmaps", labelSelector=selector) == list(names)


@pytest.mark.parametrize(("selector", "names"), [("metadata.name=b", "b"), ("metadata.name!=b", "acd")])
async def test_a_list_is_selected_by_name(teams: Server, selector: str, names: str) -> None:
    assert await teams.names("configmaps", fieldSelector=selector) == list(names)


@pytest.mark.parametrize("query", ["labelSelector", "fieldSelector"])
async def test_a_selector_that_does_not_parse_is_a_bad_request(server: Server, query: str) -> None:
    (await server.get("configmaps", **{query: "a in (b"})).refused(400, "BadRequest")


async def test_a_field_that_is_not_indexed_is_a_bad_request(server: Server) -> None:
    (await server.get("pods", fieldSelector="spec.priority=1")).refused(400, "BadRequest")


async def test_pods_are_selected_by_node_phase_and_scheduler(server: Server) -> None:
    for name, scheduler in (("free", "aiokai"), ("bound", "aiokai"), ("ended", "other")):
        await server.create_pod(name, schedulerName=scheduler)
    (await server.bind("bound", "n0")).ok(201)
    (await server.patch("pods/ended/status", {"status": {"phase": "Failed"}})).ok()
    for selector, names in {
        "spec.nodeName=n0": ["bound"],
        "spec.nodeName=": ["ended", "free"],
        "spec.nodeName!=n0": ["ended", "free"],
        "status.phase=Failed": ["ended"],
        "status.phase!=Failed,spec.nodeName=": ["free"],
        "spec.schedulerName=aiokai": ["bound", "free"],
        "metadata.namespace=nowhere": [],
    }.items():
        assert await server.names("pods", fieldSelector=selector) == names, selector


async def test_a_list_names_its_kind_and_version_and_its_items_do_not(teams: Server) -> None:
    answer = (await teams.get("configmaps")).ok()
    assert (answer["kind"], answer["apiVersion"]) == ("ConfigMapList", "v1")
    assert int(answer["metadata"]["resourceVersion"]) > 0
    assert not {"kind", "apiVersion"} & answer["items"][0].keys()


async def test_pages_go_on_where_the_last_one_ended(teams: Server) -> None:
    first = (await teams.get("configmaps", limit=2)).ok()
    assert [it["metadata"]["name"] for it in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 2
    token = first["metadata"]["continue"]
    second = (await teams.get("configmaps", **{"limit": 2, "continue": token})).ok()
    assert [it["metadata"]["name"] for it in second["items"]] == ["c", "d"]
    assert not second["metadata"].get("continue")


async def test_all_pages_show_the_version_of_the_first(teams: Server) -> None:
    first = (await teams.get("configmaps", limit=2)).ok()
    (await teams.post("configmaps", config_map("e"))).ok(201)
    (await teams.delete("configmaps/d")).ok()
    rest = (await teams.get("configmaps", **{"limit": 2, "continue": first["metadata"]["continue"]})).ok()
    assert [it["metadata"]["name"] for it in rest["items"]] == ["c", "d"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_continue_token_that_is_not_one_is_a_bad_request(server: Server) -> None:
    (await server.get("configmaps", **{"limit": 2, "continue": "nonsense"})).refused(400, "BadRequest")


async def test_a_list_from_version_zero_may_come_from_the_cache(teams: Server) -> None:
    assert set(await teams.names("configmaps", resourceVersion=0)) <= set("abcd")


async def test_a_list_not_older_than_a_write_shows_it(server: Server) -> None:
    version = (await server.post("configmaps", config_map())).ok(201)["metadata"]["resourceVersion"]
    assert await server.names("configmaps", resourceVersion=version, resourceVersionMatch="NotOlderThan") == ["c"]


async def test_all_namespaces_are_listed_together(teams: Server) -> None:
    (await teams.get("/api/v1/configmaps")).ok()
    names = await teams.names("/api/v1/configmaps", fieldSelector=f"metadata.namespace={teams.namespace}")
    assert names == list("abcd")
