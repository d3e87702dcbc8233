"""Server-side apply: who owns which fields, and what becomes of them."""

from pathlib import Path
from typing import Any

import yaml

from tests.contract.server import (
    DEFINITIONS,
    JSON_PATCH,
    MERGE,
    Reply,
    Server,
    config_map,
    pod,
    widget,
    widget_definition,
)

APPLY = "application/apply-patch+yaml"


async def apply(server: Server, path: str, body: dict[str, Any], manager: str = "one", **query: Any) -> Reply:
    return await server.patch(path, body, APPLY, fieldManager=manager, **query)


def config(**entries: str) -> dict[str, Any]:
    return config_map() | {"data": entries}


def owners(obj: dict[str, Any]) -> dict[str, Any]:
    """What each manager owns."""
    return {it["manager"]: it["fieldsV1"] for it in obj["metadata"]["managedFields"]}


def fields(refusal: dict[str, Any]) -> list[str]:
    causes = refusal["details"]["causes"]
    assert {it["reason"] for it in causes} == {"FieldManagerConflict"}
    return [it["field"] for it in causes]


async def test_what_is_not_there_is_created(server: Server) -> None:
    created = (await apply(server, "configmaps/c", config(a="1", b="2"))).ok(201)
    assert created["data"] == {"a": "1", "b": "2"}
    entry = dict(created["metadata"]["managedFields"][0])
    assert entry.pop("time")
    assert entry == {
        "manager": "one",
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}},
    }
    assert (await server.get("configmaps/c")).ok() == created


async def test_what_is_there_is_changed_and_what_is_the_same_is_not_written(server: Server) -> None:
    created = (await apply(server, "configmaps/c", config(a="1"))).ok(201)
    same = (await apply(server, "configmaps/c", config(a="1"))).ok(200)
    assert same["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]
    assert (await apply(server, "configmaps/c", config(a="2"))).ok()["data"] == {"a": "2"}


async def test_what_is_no_longer_applied_goes(server: Server) -> None:
    body = config_map(metadata={"labels": {"a": "1", "b": "2"}}, a="1", b="2")
    (await apply(server, "configmaps/c", body)).ok(201)
    (await server.patch("configmaps/c", {"data": {"c": "3"}})).ok()
    left = (await apply(server, "configmaps/c", config_map(metadata={"labels": {"b": "2"}}, a="1"))).ok()
    assert (left["data"], left["metadata"]["labels"]) == ({"a": "1", "c": "3"}, {"b": "2"})
    left = (await apply(server, "configmaps/c", config(a="1"))).ok()
    assert "labels" not in left["metadata"]


async def test_two_own_different_fields(server: Server) -> None:
    (await apply(server, "configmaps/c", config(a="1"), "one")).ok(201)
    both = (await apply(server, "configmaps/c", config(b="2"), "two")).ok()
    assert both["data"] == {"a": "1", "b": "2"}
    assert owners(both) == {"one": {"f:data": {"f:a": {}}}, "two": {"f:data": {"f:b": {}}}}


async def test_what_two_own_goes_when_neither_wants_it(server: Server) -> None:
    for manager in ("one", "two"):
        await apply(server, "configmaps/c", config(a="1", b="2"), manager)
    assert (await apply(server, "configmaps/c", config(b="2"), "one")).ok()["data"] == {"a": "1", "b": "2"}
    assert (await apply(server, "configmaps/c", config(b="2"), "two")).ok()["data"] == {"b": "2"}


async def test_a_field_of_another_is_a_conflict(server: Server) -> None:
    (await apply(server, "configmaps/c", config(a="1", b="2"), "one")).ok(201)
    refusal = (await apply(server, "configmaps/c", config(a="9"), "two")).refused(409, "Conflict")
    assert refusal["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    assert refusal["details"] == {
        "causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.a"}]
    }
    refusal = (await apply(server, "configmaps/c", config(a="9", b="8", c="7"), "two")).refused(409, "Conflict")
    assert refusal["message"] == 'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b'
    assert fields(refusal) == [".data.a", ".data.b"]


async def test_force_takes_the_field(server: Server) -> None:
    (await apply(server, "configmaps/c", config(a="1", b="2"), "one")).ok(201)
    taken = (await apply(server, "configmaps/c", config(a="9"), "two", force="true")).ok()
    assert taken["data"] == {"a": "9", "b": "2"}
    assert owners(taken) == {"one": {"f:data": {"f:b": {}}}, "two": {"f:data": {"f:a": {}}}}


async def test_an_update_takes_the_fields_that_it_changes(server: Server) -> None:
    (await apply(server, "configmaps/c", config(a="1", b="2"), "one")).ok(201)
    changed = (await server.patch("configmaps/c", {"data": {"a": "9"}}, fieldManager="editor")).ok()
    assert owners(changed) == {"one": {"f:data": {"f:b": {}}}, "editor": {"f:data": {"f:a": {}}}}
    assert changed["metadata"]["managedFields"][1]["operation"] == "Update"
    refusal = (await apply(server, "configmaps/c", config(a="1", b="2"), "one")).refused(409, "Conflict")
    assert refusal["message"] == 'Apply failed with 1 conflict: conflict with "editor" using v1: .data.a'


async def test_what_was_there_before_the_first_apply_belongs_to_somebody(server: Server) -> None:
    (await server.post("configmaps", config(k="1"), fieldManager="maker")).ok(201)
    assert fields((await apply(server, "configmaps/c", config(k="2"))).refused(409, "Conflict")) == [".data.k"]
    assert (await apply(server, "configmaps/c", config(k="1", more="2"))).ok()["data"] == {"k": "1", "more": "2"}
    # Now both own it, so it stays when one gives it up.
    assert (await apply(server, "configmaps/c", config(more="2"))).ok()["data"] == {"k": "1", "more": "2"}


async def test_fields_of_a_pod_are_owned_one_by_one_and_by_their_keys(server: Server) -> None:
    container = {
        "name": "main",
        "image": "busybox",
        "command": ["sleep"],
        "env": [{"name": "A", "value": "1"}],
        "ports": [{"containerPort": 80}],
        "resources": {"limits": {"cpu": 1}},
    }
    metadata = {"labels": {"a": "b"}, "finalizers": ["example.com/a"]}
    tolerations = [{"key": "a", "operator": "Exists"}]
    body = pod(metadata=metadata, containers=[container], nodeSelector={"a": "b"}, tolerations=tolerations)
    created = (await apply(server, "pods/p", body)).ok(201)
    inside: dict[str, Any] = {
        ".": {},
        "f:name": {},
        "f:image": {},
        "f:command": {},
        "f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}},
        "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
        "f:resources": {"f:limits": {"f:cpu": {}}},
    }
    assert owners(created)["one"] == {
        "f:metadata": {"f:finalizers": {'v:"example.com/a"': {}}, "f:labels": {"f:a": {}}},
        "f:spec": {"f:containers": {'k:{"name":"main"}': inside}, "f:nodeSelector": {}, "f:tolerations": {}},
    }
    assert created["spec"]["restartPolicy"] == "Always"
    again = (await apply(server, "pods/p", body)).ok()
    assert again["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]
    (await server.patch("pods/p", {"metadata": {"finalizers": None}})).ok()


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": list(containers)}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
    }


async def test_items_of_a_list_come_and_go_by_their_key(server: Server) -> None:
    path = f"/apis/apps/v1/namespaces/{server.namespace}/deployments/web"
    first, second = {"name": "a", "image": "one"}, {"name": "b", "image": "two"}
    (await apply(server, path, deployment(first, second))).ok(201)
    extra = {"name": "a", "env": [{"name": "X", "value": "1"}]}
    sidecar = {"name": "c", "image": "three"}
    template = {"spec": {"containers": [extra, sidecar]}}
    partial = {**deployment(), "spec": {"template": template}}
    changed = (await apply(server, path, partial, "injector")).ok()
    assert [it["name"] for it in changed["spec"]["template"]["spec"]["containers"]] == ["a", "b", "c"]
    # The first manager drops a container and a field; what the other one added stays.
    left = (await apply(server, path, deployment({"name": "a", "image": "new"}))).ok()
    found = {it["name"]: (it["image"], it.get("env")) for it in left["spec"]["template"]["spec"]["containers"]}
    assert found == {"a": ("new", [{"name": "X", "value": "1"}]), "c": ("three", None)}


async def test_a_number_that_another_scales_is_left_to_it(server: Server) -> None:
    path = f"/apis/apps/v1/namespaces/{server.namespace}/deployments/web"
    container = {"name": "a", "image": "one"}
    (await apply(server, path, deployment(container, replicas=3))).ok(201)
    (await server.patch(f"{path}/scale", {"spec": {"replicas": 5}}, fieldManager="scaler")).ok()
    refusal = (await apply(server, path, deployment(container, replicas=3))).refused(409, "Conflict")
    assert fields(refusal) == [".spec.replicas"]
    assert (await apply(server, path, deployment(container))).ok()["spec"]["replicas"] == 5


async def test_a_defined_kind_is_applied(server: Server, widgets: str) -> None:
    body = widget(metadata={"labels": {"a": "b"}}, parts=[{"name": "x"}])
    created = (await apply(server, f"{widgets}/w", body)).ok(201)
    assert created["spec"]["colour"] == "red"
    assert owners(created)["one"] == {
        "f:metadata": {"f:labels": {"f:a": {}}},
        "f:spec": {"f:parts": {}, "f:size": {}},
    }
    refusal = (await apply(server, f"{widgets}/w", widget(size=4), "two")).refused(409, "Conflict")
    assert fields(refusal) == [".spec.size"]
    changed = (await apply(server, f"{widgets}/w", widget(size=4, colour="blue"))).ok()["spec"]
    assert changed == {"size": 4, "colour": "blue"}
    assert (await apply(server, f"{widgets}/w", widget(size=4))).ok()["spec"] == {"size": 4, "colour": "red"}
    (await apply(server, f"{widgets}/w", widget(size=99))).refused(422, "Invalid")


def keyed_definition(group: str) -> dict[str, Any]:
    """Widgets whose parts are known by name, whose tags are a set and whose paint is one thing."""
    definition = widget_definition(group)
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    properties = {
        "name": {"type": "string"},
        "count": {"type": "integer"},
        "side": {"type": "string", "default": "left"},
    }
    parts: dict[str, Any] = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name", "side"],
    }
    parts["items"] = {"type": "object", "required": ["name"], "properties": properties}
    tags = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
    paint = {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}}
    spec = {"type": "object", "properties": {"parts": parts, "tags": tags, "paint": paint}}
    version = definition["spec"]["versions"][0]
    version["schema"] = {
        "openAPIV3Schema": {**schema, "required": [], "properties": {**schema["properties"], "spec": spec}}
    }
    version["additionalPrinterColumns"] = []
    return definition


async def test_a_defined_kind_says_how_its_lists_merge(server: Server) -> None:
    group = f"{server.namespace}.example.com"
    (await server.post(DEFINITIONS, keyed_definition(group))).ok(201)
    path = f"/apis/{group}/v1/namespaces/{server.namespace}/widgets"
    head = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}}
    try:
        await server.served(path)
        spec: dict[str, Any] = {"parts": [{"name": "x", "count": 1}], "tags": ["a"], "paint": {"k": "1", "l": "2"}}
        created = (await apply(server, f"{path}/w", {**head, "spec": spec})).ok(201)
        assert owners(created)["one"]["f:spec"] == {
            "f:paint": {},
            "f:parts": {'k:{"name":"x","side":"left"}': {".": {}, "f:count": {}, "f:name": {}}},
            "f:tags": {'v:"a"': {}},
        }
        more = {"parts": [{"name": "y", "count": 2}], "tags": ["b"]}
        both = (await apply(server, f"{path}/w", {**head, "spec": more}, "two")).ok()["spec"]
        assert [it["name"] for it in both["parts"]] == ["x", "y"]
        assert sorted(both["tags"]) == ["a", "b"]
        refusal = (await apply(server, f"{path}/w", {**head, "spec": {"paint": {"k": "1"}}}, "two")).refused(
            409, "Conflict"
        )
        assert fields(refusal) == [".spec.paint"]
        left = await apply(server, f"{path}/w", {**head, "spec": {"tags": ["c"]}})
        assert (left.ok()["spec"]["parts"], sorted(left.body["spec"]["tags"])) == (
            [{"name": "y", "count": 2, "side": "left"}],
            ["b", "c"],
        )
    finally:
        await server.delete(f"{DEFINITIONS}/widgets.{group}")


async def test_the_status_is_applied_through_its_subresource(server: Server, widgets: str) -> None:
    (await apply(server, f"{widgets}/w", {**widget(), "status": {"phase": "no"}})).ok(201)
    told = {**widget(size=9, metadata={"labels": {"a": "b"}}), "status": {"phase": "Ready"}}
    changed = (await apply(server, f"{widgets}/w/status", told, "controller")).ok()
    assert (changed["status"], changed["spec"]["size"]) == ({"phase": "Ready"}, 3)
    entry = next(it for it in changed["metadata"]["managedFields"] if it["manager"] == "controller")
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:phase": {}}})
    (await apply(server, f"{widgets}/absent/status", widget("absent"), "controller")).refused(404, "NotFound")


async def test_an_apply_is_tried(server: Server) -> None:
    (await apply(server, "configmaps/c", config(a="1"), dryRun="All")).ok(201)
    (await server.get("configmaps/c")).refused(404, "NotFound")
    (await apply(server, "configmaps/c", config(a="1"))).ok(201)
    assert (await apply(server, "configmaps/c", config(a="2"), dryRun="All")).ok()["data"] == {"a": "2"}
    assert (await server.get("configmaps/c")).ok()["data"] == {"a": "1"}


async def test_an_apply_may_expect_a_version_or_a_uid(server: Server) -> None:
    created = (await apply(server, "configmaps/c", config(a="1"))).ok(201)["metadata"]
    stale = config_map(metadata={"resourceVersion": "1"}, a="2")
    (await apply(server, "configmaps/c", stale)).refused(409, "Conflict")
    right = config_map(metadata={"resourceVersion": created["resourceVersion"], "uid": created["uid"]}, a="2")
    (await apply(server, "configmaps/c", right)).ok()
    absent = config_map("absent", metadata={"uid": created["uid"]})
    refusal = (await apply(server, "configmaps/absent", absent)).refused(409, "Conflict")
    assert "no existing object was found" in refusal["message"]


async def test_an_apply_that_makes_no_sense_is_refused(server: Server) -> None:
    refusal = (await server.patch("configmaps/c", config(a="1"), APPLY)).refused(422, "Invalid")
    assert refusal["details"]["causes"][0]["field"] == "fieldManager"
    refusal = (await server.patch("configmaps/c", {}, MERGE, force="true")).refused(422, "Invalid")
    assert refusal["details"]["causes"][0]["field"] == "force"
    (await apply(server, "configmaps/c", {"metadata": {"name": "c"}})).refused(400, "BadRequest")
    managed = config_map(metadata={"managedFields": [{"manager": "me"}]})
    (await apply(server, "configmaps/c", managed)).refused(400, "BadRequest")
    unknown = (await apply(server, "configmaps/c", {**config(a="1"), "colour": "red"})).ok(500)
    assert unknown["message"].endswith(".colour: field not declared in schema")


async def test_who_owns_what_can_be_forgotten(server: Server) -> None:
    (await apply(server, "configmaps/c", config(a="1"))).ok(201)
    steps = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    assert "managedFields" not in (await server.patch("configmaps/c", steps, JSON_PATCH)).ok()["metadata"]


async def test_kubectl_applies_on_the_server(server: Server) -> None:
    text = yaml.safe_dump(config(a="1", b="2"))
    words = ("apply", "--server-side", "-f", "-")
    assert await server.kubectl(*words, stdin=text) == "configmap/c serverside-applied\n"
    assert await server.kubectl(*words, stdin=yaml.safe_dump(config(a="1"))) == "configmap/c serverside-applied\n"
    assert (await server.get("configmaps/c")).ok()["data"] == {"a": "1"}
    (await apply(server, "configmaps/c", config(a="2"), "other", force="true")).ok()
    complaint = await server.kubectl(*words, stdin=text, succeeds=False)
    assert 'conflict with "other": .data.a' in complaint
    await server.kubectl(*words, "--force-conflicts", stdin=text)
    assert (await server.get("configmaps/c")).ok()["data"] == {"a": "1", "b": "2"}


async def test_kubectl_takes_over_from_itself(server: Server) -> None:
    """What was applied the old way is applied on the server later, and what it leaves out goes."""
    await server.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(config(a="1", b="2")))
    words = ("apply", "--server-side", "-f", "-")
    await server.kubectl(*words, stdin=yaml.safe_dump(config(a="1", b="2")))
    assert (await server.get("configmaps/c")).ok()["data"] == {"a": "1", "b": "2"}
    await server.kubectl(*words, stdin=yaml.safe_dump(config(a="1")))
    assert (await server.get("configmaps/c")).ok()["data"] == {"a": "1"}


OURS = sorted((Path(__file__).parents[2] / "crds").glob("*.yaml"))


async def test_kubectl_applies_our_definitions_and_jobs_on_the_server(server: Server) -> None:
    words = ("apply", "--server-side", "--force-conflicts", "-f")
    for file in OURS:
        assert "serverside-applied" in await server.kubectl(*words, str(file))
    path = f"/apis/aiokai.io/v1alpha1/namespaces/{server.namespace}/jobs"
    await server.served(path)
    task = {"name": "worker", "replicas": 2, "template": {"spec": pod()["spec"]}}
    head = {"apiVersion": "aiokai.io/v1alpha1", "kind": "Job", "metadata": {"name": "train"}}
    for replicas in (2, 3):
        text = yaml.safe_dump({**head, "spec": {"tasks": [{**task, "replicas": replicas}]}})
        assert "serverside-applied" in await server.kubectl(*words, "-", stdin=text)
    assert (await server.get(f"{path}/train")).ok()["spec"]["tasks"][0]["replicas"] == 3


async def test_applied_items_come_in_their_order_among_the_others(server: Server) -> None:
    path = f"/apis/apps/v1/namespaces/{server.namespace}/deployments/web"
    first = [{"name": name, "image": "one"} for name in "abc"]
    (await apply(server, path, deployment(*first))).ok(201)
    second = [{"name": name, "image": "one"} for name in ("d", "c", "a")]
    partial = {**deployment(), "spec": {"template": {"spec": {"containers": second}}}}
    changed = (await apply(server, path, partial, "two")).ok()
    assert [it["name"] for it in changed["spec"]["template"]["spec"]["containers"]] == ["b", "d", "c", "a"]


async def test_an_item_goes_with_what_others_changed_in_it(server: Server) -> None:
    path = f"/apis/apps/v1/namespaces/{server.namespace}/deployments/web"
    environment = {"env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "1"}]}
    (await apply(server, path, deployment({"name": "a", "image": "one", **environment}))).ok(201)
    steps = [{"op": "replace", "path": "/spec/template/spec/containers/0/env/0/value", "value": "2"}]
    (await server.patch(path, steps, JSON_PATCH, fieldManager="editor")).ok()
    left = (await apply(server, path, deployment({"name": "a", "image": "one"}))).ok()
    assert "env" not in left["spec"]["template"]["spec"]["containers"][0]
    assert owners(left).keys() == {"one"}


async def test_what_an_update_adds_it_owns_with_all_around_it(server: Server) -> None:
    (await apply(server, "configmaps/c", config(a="1"))).ok(201)
    changed = (await server.patch("configmaps/c", {"metadata": {"labels": {"x": "1"}}}, fieldManager="editor")).ok()
    assert owners(changed)["editor"] == {"f:metadata": {"f:labels": {".": {}, "f:x": {}}}}


async def test_who_applies_nothing_any_more_owns_nothing(server: Server, widgets: str) -> None:
    (await apply(server, f"{widgets}/w", widget(metadata={"labels": {"a": "b"}}))).ok(201)
    (await apply(server, f"{widgets}/w", widget(), "two")).ok()
    head = {"apiVersion": widget()["apiVersion"], "kind": "Widget", "metadata": {"name": "w"}}
    left = (await apply(server, f"{widgets}/w", head)).ok()
    assert owners(left) == {"two": {"f:spec": {"f:size": {}}}}
    (await apply(server, "configmaps/c", config(a="1"))).ok(201)
    empty = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    left = (await apply(server, "configmaps/c", empty)).ok()
    assert "data" not in left
    assert not left["metadata"].get("managedFields")
