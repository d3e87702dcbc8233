"""Create, read, update and delete: the rules that every kind shares."""

import pytest

from tests.contract.server import Server, config_map, pod

NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {}, "status": {"allocatable": {"cpu": "4"}}}


async def test_a_created_object_comes_back_with_what_the_server_gives_it(server: Server) -> None:
    created = (await server.post("configmaps", config_map())).ok(201)
    assert (created["kind"], created["apiVersion"], created["data"]) == ("ConfigMap", "v1", {"k": "1"})
    assert {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"} <= created["metadata"].keys()
    assert (await server.get("configmaps/c")).ok() == created


async def test_a_missing_object_is_not_found_by_name_and_kind(server: Server) -> None:
    refusal = (await server.get("pods/absent")).refused(404, "NotFound")
    assert refusal["message"] == 'pods "absent" not found'
    assert refusal["details"] == {"name": "absent", "kind": "pods"}


async def test_an_unknown_path_is_not_found(server: Server) -> None:
    assert (await server.get("/apis/nobody.example/v1/things")).status == 404


async def test_a_name_is_given_once(server: Server) -> None:
    (await server.post("configmaps", config_map())).ok(201)
    refusal = (await server.post("configmaps", config_map())).refused(409, "AlreadyExists")
    assert refusal["message"] == 'configmaps "c" already exists'
    assert refusal["details"] == {"name": "c", "kind": "configmaps"}


async def test_generate_name_adds_five_letters(server: Server) -> None:
    body = {"metadata": {"generateName": "train-"}}
    first, second = [(await server.post("configmaps", body)).ok(201)["metadata"]["name"] for _ in range(2)]
    assert first != second
    assert first.startswith("train-")
    assert len(first) == len("train-") + 5


async def test_an_object_needs_a_name(server: Server) -> None:
    refusal = (await server.post("configmaps", {"metadata": {}})).refused(422, "Invalid")
    assert refusal["details"]["causes"][0]["field"] == "metadata.name"


async def test_an_object_of_another_kind_or_namespace_is_refused(server: Server) -> None:
    (await server.post("pods", config_map())).refused(400, "BadRequest")
    (await server.post("configmaps", config_map(metadata={"namespace": "other"}))).refused(400, "BadRequest")


async def test_a_body_that_is_not_json_is_a_bad_request(server: Server) -> None:
    answer = await server.session.post(
        server.path("configmaps"), data=b"{", headers={"Content-Type": "application/json"}
    )
    assert answer.status == 400
    assert (await answer.json())["reason"] == "BadRequest"


async def test_a_missing_namespace_holds_nothing(server: Server) -> None:
    refusal = (await server.post("/api/v1/namespaces/absent/configmaps", config_map())).refused(404, "NotFound")
    assert refusal["message"] == 'namespaces "absent" not found'
    assert (await server.names("/api/v1/namespaces/absent/configmaps")) == []


async def test_an_update_replaces_the_object(server: Server) -> None:
    created = (await server.post("configmaps", config_map())).ok(201)
    updated = (await server.put("configmaps/c", {**created, "data": {"other": "2"}})).ok()
    assert updated["data"] == {"other": "2"}
    assert updated["metadata"]["uid"] == created["metadata"]["uid"]
    assert updated["metadata"]["resourceVersion"] != created["metadata"]["resourceVersion"]


async def test_an_update_that_changes_nothing_leaves_the_version(server: Server) -> None:
    created = (await server.post("configmaps", config_map())).ok(201)
    updated = (await server.put("configmaps/c", created)).ok()
    assert updated["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]


async def test_an_update_with_a_stale_version_conflicts(server: Server) -> None:
    created = (await server.post("configmaps", config_map())).ok(201)
    (await server.put("configmaps/c", {**created, "data": {"k": "2"}})).ok()
    refusal = (await server.put("configmaps/c", {**created, "data": {"k": "3"}})).refused(409, "Conflict")
    assert "the object has been modified; please apply your changes to the latest version" in refusal["message"]
    assert refusal["details"] == {"name": "c", "kind": "configmaps"}


async def test_an_update_with_another_uid_conflicts(server: Server) -> None:
    created = (await server.post("configmaps", config_map())).ok(201)
    created["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    (await server.put("configmaps/c", created)).refused(409, "Conflict")


async def test_an_update_without_a_version_overwrites(server: Server) -> None:
    (await server.post("configmaps", config_map())).ok(201)
    assert (await server.put("configmaps/c", config_map(k="9"))).ok()["data"] == {"k": "9"}


async def test_an_update_of_a_missing_config_map_is_not_found(server: Server) -> None:
    (await server.put("configmaps/c", config_map())).refused(404, "NotFound")


async def test_a_deletion_answers_with_the_uid_of_what_went(server: Server) -> None:
    created = (await server.post("configmaps", config_map())).ok(201)
    answer = (await server.delete("configmaps/c")).ok()
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"] == {"name": "c", "kind": "configmaps", "uid": created["metadata"]["uid"]}
    (await server.delete("configmaps/c")).refused(404, "NotFound")


@pytest.mark.parametrize("precondition", ["uid", "resourceVersion"])
async def test_a_deletion_with_a_wrong_precondition_conflicts(server: Server, precondition: str) -> None:
    created = (await server.post("configmaps", config_map())).ok(201)
    (await server.delete("configmaps/c", {"preconditions": {precondition: "1"}})).refused(409, "Conflict")
    right = {precondition: created["metadata"][precondition]}
    (await server.delete("configmaps/c", {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": right})).ok()


async def test_a_collection_is_deleted_by_label(server: Server) -> None:
    for name, team in (("a", "red"), ("b", "blue"), ("c", "red")):
        (await server.post("configmaps", config_map(name, metadata={"labels": {"team": team}}))).ok(201)
    (await server.delete("configmaps", labelSelector="team=red")).ok()
    assert await server.names("configmaps", labelSelector="team") == ["b"]


async def test_a_finalizer_keeps_the_object_until_it_is_removed(server: Server) -> None:
    body = config_map(metadata={"finalizers": ["example.com/keep"]})
    (await server.post("configmaps", body)).ok(201)
    (await server.delete("configmaps/c")).ok()
    assert "deletionTimestamp" in (await server.get("configmaps/c")).ok()["metadata"]
    (await server.patch("configmaps/c", {"metadata": {"finalizers": None}})).ok()
    (await server.get("configmaps/c")).refused(404, "NotFound")


async def test_a_dry_run_returns_the_defaulted_object_and_keeps_nothing(server: Server) -> None:
    tried = (await server.post("pods", pod(), dryRun="All")).ok(201)
    assert tried["spec"]["restartPolicy"] == "Always"
    assert tried["status"] == {"phase": "Pending", "qosClass": "Burstable"}
    assert tried["metadata"]["uid"]
    assert "resourceVersion" not in tried["metadata"]
    assert await server.names("pods") == []


async def test_a_dry_run_is_refused_as_the_real_thing_would_be(server: Server) -> None:
    (await server.post("pods", pod("No_Name"), dryRun="All")).refused(422, "Invalid")
    (await server.post("pods", pod(), dryRun="Some")).refused(422, "Invalid")


async def test_a_dry_run_changes_and_deletes_nothing(server: Server) -> None:
    (await server.post("configmaps", config_map())).ok(201)
    assert (await server.patch("configmaps/c", {"data": {"k": "2"}}, dryRun="All")).ok()["data"] == {"k": "2"}
    (await server.delete("configmaps/c", dryRun="All")).ok()
    assert (await server.get("configmaps/c")).ok()["data"] == {"k": "1"}


async def test_status_is_written_through_its_subresource_only(server: Server) -> None:
    created = await server.create_pod()
    running = {**created, "status": {"phase": "Running"}}
    assert (await server.put("pods/p", running)).ok()["status"]["phase"] == "Pending"
    assert (await server.put("pods/p/status", running)).ok()["status"]["phase"] == "Running"


async def test_the_status_subresource_leaves_the_spec(server: Server) -> None:
    name = f"{server.namespace}-n0"
    node = (await server.post("/api/v1/nodes", {**NODE, "metadata": {"name": name}})).ok(201)
    changed = {**node, "spec": {"unschedulable": True}, "status": {"capacity": {"cpu": "8"}}}
    answer = (await server.put(f"/api/v1/nodes/{name}/status", changed)).ok()
    assert (answer["spec"], answer["status"]["capacity"]) == ({}, {"cpu": "8"})
    (await server.delete(f"/api/v1/nodes/{name}")).ok()


async def test_a_node_has_a_status_from_its_creation(server: Server) -> None:
    name = f"{server.namespace}-n0"
    node = (await server.post("/api/v1/nodes", {**NODE, "metadata": {"name": name}})).ok(201)
    assert node["status"]["allocatable"] == {"cpu": "4"}
    (await server.delete(f"/api/v1/nodes/{name}")).ok()


async def test_a_deleted_namespace_takes_its_objects_along(server: Server) -> None:
    path = f"/api/v1/namespaces/{server.namespace}-more"
    created = (await server.post("/api/v1/namespaces", {"metadata": {"name": f"{server.namespace}-more"}})).ok(201)
    assert created["status"] == {"phase": "Active"}
    (await server.post(f"{path}/configmaps", config_map())).ok(201)
    (await server.delete(path)).ok()
    await server.gone(path)
    (await server.get(f"{path}/configmaps/c")).refused(404, "NotFound")


async def test_the_namespaces_of_a_new_cluster_exist(server: Server) -> None:
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= set(await server.names("/api/v1/namespaces"))


async def test_a_namespace_carries_its_name_as_a_label(server: Server) -> None:
    namespace = (await server.get(f"/api/v1/namespaces/{server.namespace}")).ok()
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": server.namespace}


async def test_core_events_are_created(server: Server) -> None:
    involved = {"kind": "Pod", "namespace": server.namespace, "name": "p"}
    event = {"metadata": {"name": "p.1"}, "involvedObject": involved, "reason": "Waiting", "message": "no room"}
    (await server.post("events", {**event, "type": "Warning"})).ok(201)
    assert await server.names("events", fieldSelector="involvedObject.name=p") == ["p.1"]
    assert await server.names("events", fieldSelector="involvedObject.name=q") == []


async def test_events_of_the_new_group_are_the_same_objects(server: Server) -> None:
    path = f"/apis/events.k8s.io/v1/namespaces/{server.namespace}/events"
    event = {
        "metadata": {"name": "p.2"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "aiokai.io/operator",
        "reportingInstance": "operator-0",
        "action": "Scheduling",
        "reason": "Waiting",
        "type": "Normal",
        "note": "no room",
        "regarding": {"kind": "Pod", "namespace": server.namespace, "name": "p"},
    }
    (await server.post(path, event)).ok(201)
    core = (await server.get("events/p.2")).ok()
    assert (core["message"], core["involvedObject"]["name"]) == ("no room", "p")
