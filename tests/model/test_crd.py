"""The CRDs are what the models say: the files are up to date, and each rule in CEL has a twin that agrees with it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aiokai.client import ApiClient, connect
from aiokai.dialects import AIOKAI
from aiokai.errors import BadRequestError, ConflictError, InvalidObjectError, NotFoundError
from aiokai.model.crd import KINDS, crd_files, definition
from aiokai.model.resource import CUSTOM_RESOURCES, Resource
from tests.support.controlplane import ControlPlane

CRDS = Path(__file__).parents[2] / "crds"
TASK = {"name": "worker", "template": {"spec": {"containers": [{"name": "main", "image": "busybox"}]}}}
DECODE = {"Job": AIOKAI.job.decode, "PodGroup": AIOKAI.pod_group.decode, "Queue": AIOKAI.queue.decode}


class Broken(NamedTuple):
    """An object that breaks one rule, and where aiokai finds it."""

    kind: str
    message: str
    path: str
    spec: dict[str, Any]
    name: str = "broken"


BROKEN = (
    Broken(
        "Job",
        "minAvailable is more than there are replicas",
        "spec.tasks[0].minAvailable",
        {"tasks": [{**TASK, "replicas": 2, "minAvailable": 3}], "minAvailable": 1},
    ),
    Broken("Job", "two tasks have the same name", "spec.tasks[1].name", {"tasks": [TASK, TASK]}),
    Broken(
        "Job",
        "minAvailable is more than all tasks have replicas",
        "spec.minAvailable",
        {"tasks": [TASK, {**TASK, "name": "other", "replicas": 2}], "minAvailable": 4},
    ),
    Broken("Job", "unknown plugin; there are: env, svc", "spec.plugins.ssh", {"tasks": [TASK], "plugins": {"ssh": []}}),
    Broken("Job", "a Job's name has at most 63 characters", "metadata.name", {"tasks": [TASK]}, "j" * 64),
    Broken(
        "Job",
        "with plugin svc, the Job's name is a Service's: a letter first, no dots",
        "metadata.name",
        {"tasks": [TASK], "plugins": {"svc": []}},
        "1.2",
    ),
    Broken(
        "Job",
        "with plugin svc, pod names are host names: at most 63 characters",
        "spec.tasks[0].name",
        {"tasks": [{**TASK, "replicas": 11}], "plugins": {"svc": []}},
        "j" * 54,
    ),
    Broken("Queue", "a queue is not its own parent", "spec.parent", {"parent": "broken"}),
    Broken(
        "PodGroup",
        "a subgroup names a parent that does not exist, or itself",
        "spec.subGroups[0].parent",
        {"subGroups": [{"name": "a", "parent": "b"}]},
    ),
)
SOUND = (
    Broken(
        "Job",
        "",
        "",
        {"tasks": [{**TASK, "replicas": 10}, {**TASK, "name": "b"}], "minAvailable": 11, "plugins": {"svc": []}},
        "j" * 54,
    ),
    Broken("Job", "", "", {"tasks": [{**TASK, "replicas": 2, "minAvailable": 2}, {"template": TASK["template"]}]}),
    Broken("Queue", "", "", {"parent": "other", "weight": 3}),
    Broken("PodGroup", "", "", {"subGroups": [{"name": "a"}, {"name": "b", "parent": "a"}]}),
)


def object_of(case: Broken, namespace: str | None = None) -> dict[str, Any]:
    metadata = {"name": case.name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "aiokai.io/v1alpha1", "kind": case.kind, "metadata": metadata, "spec": case.spec}


def messages_in(schema: object) -> list[str]:
    if isinstance(schema, list):
        return [message for item in schema for message in messages_in(item)]
    if not isinstance(schema, dict):
        return []
    own = [rule["message"] for rule in schema.get("x-kubernetes-validations", [])]
    return own + [message for value in schema.values() for message in messages_in(value)]


def test_the_files_are_what_the_models_say() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in CRDS.glob("*.yaml")}
    assert written == crd_files(), "run `make crds`"


def test_every_rule_has_an_object_below_that_breaks_it() -> None:
    rules = {(kind.kind, message) for kind in KINDS for message in messages_in(definition(kind))}
    assert rules == {(case.kind, case.message) for case in BROKEN}


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.message)
def test_the_twin_refuses_what_the_rule_refuses(case: Broken) -> None:
    with pytest.raises(InvalidObjectError) as caught:
        DECODE[case.kind](json.dumps(object_of(case)).encode())
    assert caught.value.path == case.path


@pytest.mark.parametrize("case", SOUND, ids=lambda case: case.kind)
def test_the_twin_takes_what_no_rule_refuses(case: Broken) -> None:
    DECODE[case.kind](json.dumps(object_of(case)).encode())


@pytest.fixture
async def server(control_plane: ControlPlane) -> AsyncIterator[ApiClient]:
    async with await connect(control_plane.kubeconfig) as client:
        for kind in KINDS:
            try:
                await client.create(CUSTOM_RESOURCES, definition(kind), into=bytes)
            except ConflictError:
                continue
        yield client


@pytest.mark.realserver
@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.message)
async def test_the_api_server_refuses_it_in_the_rules_words(server: ApiClient, case: Broken) -> None:
    with pytest.raises(BadRequestError, match=case.message):
        await create(server, case)


@pytest.mark.realserver
@pytest.mark.parametrize("case", SOUND, ids=lambda case: case.kind)
async def test_the_api_server_takes_what_no_rule_refuses(server: ApiClient, case: Broken) -> None:
    await create(server, case)


async def create(server: ApiClient, case: Broken) -> None:
    """Try to create the object, without leaving it there; the server takes a moment until it serves a new kind."""
    plural, namespaced = next((kind.plural, kind.namespaced) for kind in KINDS if kind.kind == case.kind)
    resource, namespace = (
        Resource("aiokai.io", "v1alpha1", plural, case.kind, namespaced),
        "default" if namespaced else "",
    )
    for _ in range(100):
        try:
            await server.create(resource, object_of(case, namespace), namespace, into=bytes, dry_run=True)
        except NotFoundError:
            await asyncio.sleep(0.1)
        else:
            return
    pytest.fail(f"{plural} are not served")
