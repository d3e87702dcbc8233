"""Kinds defined by a CustomResourceDefinition: served at once, defaulted, pruned, validated, printed."""

from typing import Any

import pytest

from tests.contract.server import DEFINITIONS, Server, own_widgets, widget, widget_definition

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


async def test_a_definition_is_established_and_served(server: Server, widgets: str) -> None:
    group = widgets.split("/")[2]
    definition = (await server.get(f"{DEFINITIONS}/widgets.{group}")).ok()
    conditions = {it["type"]: it["status"] for it in definition["status"]["conditions"]}
    assert (conditions["Established"], conditions["NamesAccepted"]) == ("True", "True")
    assert definition["status"]["acceptedNames"]["plural"] == "widgets"
    assert definition["status"]["storedVersions"] == ["v1"]
    created = (await server.post(widgets, widget())).ok(201)
    assert (created["kind"], created["apiVersion"]) == ("Widget", f"{group}/v1")
    answer = (await server.get(widgets)).ok()
    assert answer["kind"] == "WidgetList"
    assert answer["items"] == [created]


async def test_a_defined_kind_is_discovered(server: Server, widgets: str) -> None:
    group = widgets.split("/")[2]
    resources = {it["name"]: it for it in (await server.get(f"/apis/{group}/v1")).ok()["resources"]}
    assert resources.keys() == {"widgets", "widgets/status"}
    assert resources["widgets"]["shortNames"] == ["wd"]
    assert group in [it["name"] for it in (await server.get("/apis")).ok()["groups"]]


async def test_a_kind_is_gone_with_its_definition(server: Server) -> None:
    async with own_widgets(server) as path:
        (await server.post(path, widget(group=f"{server.namespace}.example.com"))).ok(201)
    await server.gone(path)


async def test_missing_fields_get_their_defaults(server: Server, widgets: str) -> None:
    created = (await server.post(widgets, widget(parts=[{"name": "a"}, {"count": 3}]))).ok(201)
    assert created["spec"] == {"size": 3, "colour": "red", "parts": [{"name": "a", "count": 1}, {"count": 3}]}


async def test_unknown_fields_are_pruned_but_where_they_are_preserved(server: Server, widgets: str) -> None:
    template = {"anything": {"goes": [1, {"here": True}]}}
    created = (await server.post(widgets, widget(weight=5, template=template))).ok(201)
    assert "weight" not in created["spec"]
    assert created["spec"]["template"] == template


async def test_unknown_fields_are_refused_where_strictness_is_asked_for(server: Server, widgets: str) -> None:
    refusal = (await server.post(widgets, widget(weight=5), fieldValidation="Strict")).refused(400, "BadRequest")
    assert 'unknown field "spec.weight"' in refusal["message"]


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"size": 0}, "spec.size", "should be greater than or equal to 1"),
        ({"size": 10}, "spec.size", "should be less than or equal to 9"),
        ({"size": "big"}, "spec.size", "must be of type integer"),
        ({"size": None}, "spec.size", "Required value"),
        ({"colour": "green"}, "spec.colour", 'supported values: "red", "blue"'),
        ({"parts": [{"name": 5}]}, "spec.parts[0].name", "must be of type string"),
        ({"limits": {"cpu": True}}, "spec.limits.cpu", "must be of type"),
    ],
)
async def test_a_wrong_value_is_invalid_at_its_path(
    server: Server, widgets: str, spec: dict[str, Any], field: str, words: str
) -> None:
    refusal = (await server.post(widgets, widget(**spec))).refused(422, "Invalid")
    assert (refusal["details"]["name"], refusal["details"]["kind"]) == ("w", "Widget")
    assert field in [it["field"] for it in refusal["details"]["causes"]]
    assert field in refusal["message"]
    assert words in refusal["message"]


async def test_integers_and_strings_are_quantities_both(server: Server, widgets: str) -> None:
    created = (await server.post(widgets, widget(limits={"cpu": 4, "memory": "1Gi"}))).ok(201)
    assert created["spec"]["limits"] == {"cpu": 4, "memory": "1Gi"}


async def test_status_of_a_defined_kind_is_a_subresource(server: Server, widgets: str) -> None:
    created = (await server.post(widgets, {**widget(), "status": {"phase": "Early"}})).ok(201)
    assert "status" not in created
    ready = {"status": {"phase": "Ready", "unknown": 1}, "spec": {"size": 9}}
    changed = (await server.patch(f"{widgets}/w/status", ready)).ok()
    assert (changed["status"], changed["spec"]["size"]) == ({"phase": "Ready"}, 3)
    assert (await server.patch(f"{widgets}/w", {"status": {"phase": "Late"}})).ok()["status"] == {"phase": "Ready"}


async def test_the_generation_of_a_defined_kind_counts_changes_of_its_spec(server: Server, widgets: str) -> None:
    generations = [(await server.post(widgets, widget())).ok(201)["metadata"]["generation"]]
    for target, body in (
        (f"{widgets}/w", {"metadata": {"labels": {"a": "1"}}}),
        (f"{widgets}/w/status", {"status": {"phase": "Ready"}}),
        (f"{widgets}/w", {"spec": {"size": 4}}),
        (f"{widgets}/w", {"spec": {"size": 4}}),
    ):
        generations.append((await server.patch(target, body)).ok()["metadata"]["generation"])
    assert generations == [1, 1, 1, 2, 2]


async def test_an_update_of_a_defined_kind_needs_a_version(server: Server, widgets: str) -> None:
    created = (await server.post(widgets, widget())).ok(201)
    blind = {**created, "metadata": {"name": "w"}}
    refusal = (await server.put(f"{widgets}/w", blind)).refused(422, "Invalid")
    assert "metadata.resourceVersion" in refusal["message"]
    (await server.put(f"{widgets}/w", created)).ok()


async def test_a_table_has_the_columns_of_the_definition(server: Server, widgets: str) -> None:
    (await server.post(widgets, widget())).ok(201)
    (await server.patch(f"{widgets}/w/status", {"status": {"phase": "Ready"}})).ok()
    async with server.session.get(widgets, headers=TABLE) as answer:
        table = await answer.json()
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    columns = [(it["name"], it["type"], it["priority"]) for it in table["columnDefinitions"]]
    assert columns == [
        ("Name", "string", 0),
        ("Size", "integer", 0),
        ("Phase", "string", 0),
        ("Colour", "string", 1),
        ("Age", "date", 0),
    ]
    (row,) = table["rows"]
    assert row["cells"][:4] == ["w", 3, "Ready", "red"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["name"] == "w"


async def test_a_table_is_watched_too(server: Server, widgets: str) -> None:
    version = (await server.get(widgets)).ok()["metadata"]["resourceVersion"]
    query = {"watch": "true", "resourceVersion": version}
    async with server.session.get(widgets, params=query, headers=TABLE) as answer:
        (await server.post(widgets, widget())).ok(201)
        line = await answer.content.readline()
    assert b'"kind":"Table"' in line
    assert b'"cells":["w",3,' in line


async def test_a_definition_that_is_not_structural_is_refused(server: Server) -> None:
    definition = widget_definition(f"{server.namespace}.example.com")
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = {
        "type": "object",
        "properties": {"spec": {"properties": {}}},
    }
    refusal = (await server.post(DEFINITIONS, definition)).refused(422, "Invalid")
    assert "openAPIV3Schema.properties[spec].type: Required value" in refusal["message"]


async def test_a_definition_is_named_plural_and_group(server: Server) -> None:
    definition = widget_definition(f"{server.namespace}.example.com")
    definition["metadata"]["name"] = "widgets"
    refusal = (await server.post(DEFINITIONS, definition)).refused(422, "Invalid")
    assert "metadata.name" in refusal["message"]


async def test_a_watch_tells_of_objects_of_a_defined_kind(server: Server, widgets: str) -> None:
    version = (await server.get(widgets)).ok()["metadata"]["resourceVersion"]
    async with server.watch(widgets, resourceVersion=version) as events:
        (await server.post(widgets, widget())).ok(201)
        (await server.patch(f"{widgets}/w", {"spec": {"size": 4}})).ok()
        (await server.delete(f"{widgets}/w")).ok()
        assert await events.brief(3) == [("ADDED", "w"), ("MODIFIED", "w"), ("DELETED", "w")]
