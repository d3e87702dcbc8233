"""aiokai's own kinds, as the files in crds/ define them, on both servers."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.server import DEFINITIONS, Server, pod

FILES = sorted((Path(__file__).parents[2] / "crds").glob("*.yaml"))
DEFINED = {file: yaml.safe_load(file.read_text()) for file in FILES}
JOB = {
    "apiVersion": "aiokai.io/v1alpha1",
    "kind": "Job",
    "metadata": {"name": "train"},
    "spec": {"tasks": [{"name": "worker", "replicas": 2, "template": {"spec": pod()["spec"]}}]},
}
QUEUE = {"apiVersion": "aiokai.io/v1alpha1", "kind": "Queue", "metadata": {"name": "contract"}, "spec": {"weight": 2}}


@pytest.fixture(autouse=True)
async def our_kinds(server: Server) -> None:
    """The kinds are defined once for all tests, and stay."""
    for definition in DEFINED.values():
        answer = await server.post(DEFINITIONS, definition)
        assert answer.status in (201, 409), answer.body
    for definition in DEFINED.values():
        await server.served(f"/apis/aiokai.io/v1alpha1/{definition['spec']['names']['plural']}")


def jobs(server: Server) -> str:
    return f"/apis/aiokai.io/v1alpha1/namespaces/{server.namespace}/jobs"


@pytest.mark.parametrize("file", FILES, ids=lambda it: it.stem)
async def test_a_definition_is_accepted_as_it_is(server: Server, file: Path) -> None:
    name = file.stem.partition("_")[2]
    definition = (await server.get(f"{DEFINITIONS}/{name}.aiokai.io")).ok()
    conditions = {it["type"]: it["status"] for it in definition["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert "NonStructuralSchema" not in conditions
    (await server.put(f"{DEFINITIONS}/{name}.aiokai.io", definition, fieldValidation="Strict")).ok()


@pytest.mark.parametrize("file", FILES, ids=lambda it: it.stem)
async def test_kubectl_applies_a_definition_and_shows_its_columns(server: Server, file: Path) -> None:
    await server.kubectl("apply", "--validate=strict", "-f", str(file))
    for short in DEFINED[file]["spec"]["names"]["shortNames"]:
        assert "NotFound" not in await server.kubectl("get", short, "-o", "wide")


async def test_a_job_is_filled_in_and_printed(server: Server) -> None:
    created = (await server.post(jobs(server), JOB)).ok(201)
    assert created["spec"]["schedulerName"] == "aiokai"
    # A template is kept as it was written: the server gives defaults to pods, not to what they are made from.
    assert created["spec"]["tasks"][0]["template"] == {"spec": pod()["spec"]}
    state = {"status": {"state": {"phase": "Pending"}}}
    (await server.patch(f"{jobs(server)}/train/status", state)).ok()
    heads, row = (await server.kubectl("get", "aj")).splitlines()
    assert heads.split()[:2] == ["NAME", "STATUS"]
    assert row.split()[:2] == ["train", "Pending"]


async def test_a_queue_belongs_to_no_namespace(server: Server) -> None:
    path = "/apis/aiokai.io/v1alpha1/queues"
    assert (await server.post(path, QUEUE)).ok(201)["spec"]["weight"] == 2
    (await server.delete(f"{path}/contract")).ok()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tasks": []}, "spec.tasks"),
        ({"tasks": [{"name": "Worker!", "template": {}}]}, "spec.tasks[0].name"),
        ({"tasks": [{"name": "a", "replicas": -1, "template": {}}]}, "spec.tasks[0].replicas"),
        ({"tasks": [{"name": "a", "replicas": "two", "template": {}}]}, "spec.tasks[0].replicas"),
        ({"tasks": [{"name": "a"}]}, "spec.tasks[0].template"),
    ],
)
async def test_a_wrong_job_is_refused_at_its_path(server: Server, change: dict[str, Any], field: str) -> None:
    refusal = (await server.post(jobs(server), {**JOB, "spec": change})).refused(422, "Invalid")
    assert field in [it["field"] for it in refusal["details"]["causes"]]


async def test_kubectl_names_a_field_that_does_not_exist(server: Server) -> None:
    wrong = {**JOB, "spec": {**JOB["spec"], "minAvailabel": 2}}  # type: ignore[dict-item]
    complaint = await server.kubectl("apply", "-f", "-", stdin=json.dumps(wrong), succeeds=False)
    assert 'unknown field "spec.minAvailabel"' in complaint


@pytest.mark.realserver
@pytest.mark.parametrize("server", ["real"], indirect=True)
async def test_rules_across_fields_hold_on_a_real_server(server: Server) -> None:
    """Localcluster does not evaluate CEL; there the operator's own check says the same in a condition."""
    task = {"name": "same", "template": {}}
    refusal = (await server.post(jobs(server), {**JOB, "spec": {"tasks": [task, task]}})).refused(422, "Invalid")
    assert "two tasks have the same name" in refusal["message"]
