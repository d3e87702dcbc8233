"""kubectl, as a user has it in the shell."""

import asyncio
import json
import shutil

import pytest

from tests.contract.server import WAIT_S, WIDGET_GROUP, Server, pod, widget, widget_definition

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not in PATH")


async def test_a_pod_is_applied_changed_shown_and_deleted(server: Server) -> None:
    manifest = pod(metadata={"labels": {"app": "one"}})
    assert await server.kubectl("apply", "-f", "-", stdin=json.dumps(manifest)) == "pod/p created\n"
    assert await server.kubectl("apply", "-f", "-", stdin=json.dumps(manifest)) == "pod/p unchanged\n"
    manifest["metadata"]["labels"] = {"app": "two"}
    assert await server.kubectl("apply", "-f", "-", stdin=json.dumps(manifest)) == "pod/p configured\n"
    assert await server.kubectl("label", "pod", "p", "team=red") == "pod/p labeled\n"
    assert await server.kubectl("get", "pods", "-l", "app=two,team=red", "-o", "name") == "pod/p\n"
    heads, row = (await server.kubectl("get", "pods")).splitlines()
    assert heads.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row.split()[:4] == ["p", "0/1", "Pending", "0"]
    assert (await server.kubectl("delete", "pod", "p")).startswith('pod "p" deleted')
    assert "not found" in await server.kubectl("get", "pod", "p", succeeds=False)


async def test_a_mistake_is_shown_with_its_field(server: Server) -> None:
    complaint = await server.kubectl("apply", "-f", "-", stdin=json.dumps(pod(colour="red")), succeeds=False)
    assert 'unknown field "spec.colour"' in complaint
    complaint = await server.kubectl("create", "-f", "-", stdin=json.dumps(pod("No_Name")), succeeds=False)
    assert 'The Pod "No_Name" is invalid: metadata.name' in complaint


async def test_a_description_ends_with_the_events(server: Server) -> None:
    created = await server.create_pod()
    involved = {"kind": "Pod", "namespace": server.namespace, "name": "p", "uid": created["metadata"]["uid"]}
    event = {"metadata": {"name": "p.1"}, "involvedObject": involved, "reason": "Waiting", "message": "no room"}
    (await server.post("events", {**event, "type": "Warning", "source": {"component": "aiokai"}})).ok(201)
    description = await server.kubectl("describe", "pod", "p")
    assert description.splitlines()[0].split() == ["Name:", "p"]
    assert description.splitlines()[-1].split()[:2] == ["Warning", "Waiting"]
    assert description.rstrip().endswith("no room")


async def test_a_defined_kind_is_used_by_its_short_name(server: Server, widgets: str) -> None:
    assert widgets
    manifest, short = widget(), f"wd.{WIDGET_GROUP}"
    assert "created" in await server.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    manifest["spec"]["size"] = 4
    assert "configured" in await server.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    heads, row = (await server.kubectl("get", short)).splitlines()
    assert heads.split() == ["NAME", "SIZE", "PHASE", "AGE"]
    assert row.split()[:2] == ["w", "4"]
    assert "Widget" in await server.kubectl("describe", short, "w")
    assert "deleted" in await server.kubectl("delete", short, "w")


@pytest.mark.usefixtures("widgets")
async def test_a_defined_kind_is_explained(server: Server) -> None:
    async with asyncio.timeout(3 * WAIT_S):
        # Schemas are published some time after the kind is served.
        while WIDGET_GROUP not in str((await server.get("/openapi/v3")).ok()["paths"].keys()):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    words = ("explain", "widgets.spec.colour", f"--api-version={WIDGET_GROUP}/v1")
    explanation = await server.kubectl(*words)
    assert "FIELD: colour <string>" in explanation
    assert "Paint." in explanation


async def test_a_pod_is_explained(server: Server) -> None:
    assert "schedulerName\t<string>" in await server.kubectl("explain", "pod.spec")


async def test_a_definition_can_be_waited_for(server: Server) -> None:
    group = f"{server.namespace}.example.com"
    await server.kubectl("apply", "-f", "-", stdin=json.dumps(widget_definition(group)))
    name = f"crd/widgets.{group}"
    assert "condition met" in await server.kubectl("wait", "--for=condition=Established", "--timeout=10s", name)
    await server.kubectl("delete", name)


async def test_a_watch_prints_a_line_per_change(server: Server) -> None:
    await server.create_pod()
    async with server.kubectl_lines("get", "pods", "-o", "wide", "--watch") as lines:
        assert (await anext(lines)).split()[:2] == ["NAME", "READY"]
        assert "n0" not in await anext(lines)
        (await server.bind()).ok(201)
        assert "n0" in await anext(lines)
