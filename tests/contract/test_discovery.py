"""What a server says it serves, in one list a group version and all at once."""

import asyncio
from typing import Any

from tests.contract.server import WAIT_S, Server, own_widgets

ALL_AT_ONCE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
PLAIN = "application/json"


async def discovered(server: Server, path: str, accept: str) -> tuple[str, dict[str, Any]]:
    """Content type and body of an answer."""
    async with server.session.get(path, headers={"Accept": accept}) as answer:
        assert answer.status == 200
        return answer.headers["Content-Type"].replace(" ", ""), await answer.json()


async def resources(server: Server, path: str, group: str, version: str) -> dict[str, dict[str, Any]]:
    _, body = await discovered(server, path, f"{ALL_AT_ONCE},{PLAIN}")
    groups = {it["metadata"].get("name", ""): it["versions"] for it in body["items"]}
    versions = {it["version"]: it["resources"] for it in groups[group]}
    return {it["resource"]: it for it in versions[version]}


async def test_all_resources_come_in_two_answers_to_who_asks_for_them(server: Server) -> None:
    for path, accept in (("/api", f"{ALL_AT_ONCE},{PLAIN}"), ("/apis", f"{PLAIN},{ALL_AT_ONCE}")):
        media_type, body = await discovered(server, path, accept)
        assert media_type == ALL_AT_ONCE
        assert (body["kind"], body["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")


async def test_who_asks_for_something_else_gets_the_plain_lists(server: Server) -> None:
    for accept in (PLAIN, "*/*", f"{ALL_AT_ONCE.replace('v=v2', 'v=v9')},{PLAIN}"):
        assert (await discovered(server, "/api", accept))[1]["kind"] == "APIVersions"
        assert (await discovered(server, "/apis", accept))[1]["kind"] == "APIGroupList"


async def test_a_resource_is_described_with_its_subresources(server: Server) -> None:
    pods = (await resources(server, "/api", "", "v1"))["pods"]
    assert (pods["responseKind"]["kind"], pods["scope"]) == ("Pod", "Namespaced")
    assert (pods["singularResource"], pods["shortNames"], pods["categories"]) == ("pod", ["po"], ["all"])
    assert "deletecollection" in pods["verbs"]
    below = {it["subresource"]: (it["responseKind"]["kind"], it["verbs"]) for it in pods["subresources"]}
    assert below["status"] == ("Pod", ["get", "patch", "update"])
    assert below["binding"] == ("Binding", ["create"])


async def test_a_subresource_of_another_group_names_it(server: Server) -> None:
    pods = (await resources(server, "/api", "", "v1"))["pods"]
    eviction = next(it for it in pods["subresources"] if it["subresource"] == "eviction")
    assert eviction["responseKind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}
    deployments = (await resources(server, "/apis", "apps", "v1"))["deployments"]
    scale = next(it for it in deployments["subresources"] if it["subresource"] == "scale")
    assert scale["responseKind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    listed = (await server.get("/apis/apps/v1")).ok()["resources"]
    entry = next(it for it in listed if it["name"] == "deployments/scale")
    assert (entry["group"], entry["version"], entry["kind"]) == ("autoscaling", "v1", "Scale")


async def test_a_defined_kind_is_discovered(server: Server) -> None:
    async with own_widgets(server) as path:
        group = path.split("/")[2]
        async with asyncio.timeout(3 * WAIT_S):
            while group not in str((await discovered(server, "/apis", ALL_AT_ONCE))[1]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        widgets = (await resources(server, "/apis", group, "v1"))["widgets"]
    assert (widgets["responseKind"]["kind"], widgets["shortNames"]) == ("Widget", ["wd"])
