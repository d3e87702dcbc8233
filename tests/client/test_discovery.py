import pytest

from aiokai.client import ApiClient, Resource
from aiokai.client.discovery import is_served, resource_of
from aiokai.errors import NotFoundError, UnavailableError
from aiokai.model.resource import LEASES, PODS
from tests.client.conftest import ScriptedServer, body, refusal

BATCH = body(
    {
        "resources": [
            {"name": "jobs", "kind": "Job", "namespaced": True, "verbs": ["get", "list"]},
            {"name": "jobs/status", "kind": "Job", "namespaced": True, "verbs": ["get"]},
        ]
    }
)


async def test_a_kind_is_found_by_its_name(client: ApiClient, server: ScriptedServer) -> None:
    server.script(BATCH)
    assert await resource_of(client, "batch/v1", "Job") == Resource("batch", "v1", "jobs", "Job")
    assert server.paths == ["GET /apis/batch/v1"]


async def test_a_kind_that_is_not_there_is_named(client: ApiClient, server: ScriptedServer) -> None:
    server.script(BATCH, refusal(404))
    with pytest.raises(NotFoundError, match="no kind CronTab in batch/v1"):
        await resource_of(client, "batch/v1", "CronTab")
    with pytest.raises(NotFoundError, match=r"no kind Queue in aiokai\.io/v1alpha1"):
        await resource_of(client, "aiokai.io/v1alpha1", "Queue")


async def test_whether_a_resource_is_served(client: ApiClient, server: ScriptedServer) -> None:
    server.script(body({"resources": [{"name": "pods", "kind": "Pod"}]}), refusal(404), refusal(503))
    assert await is_served(client, PODS)
    assert not await is_served(client, LEASES)
    with pytest.raises(UnavailableError):
        await is_served(client, LEASES)
    assert server.paths[:2] == ["GET /api/v1", "GET /apis/coordination.k8s.io/v1"]


@pytest.mark.parametrize(
    ("built", "path"),
    [
        (PODS.path(), "/api/v1/pods"),
        (PODS.path("d"), "/api/v1/namespaces/d/pods"),
        (PODS.path("d", "p", "binding"), "/api/v1/namespaces/d/pods/p/binding"),
        (LEASES.path("d", "l"), "/apis/coordination.k8s.io/v1/namespaces/d/leases/l"),
    ],
)
def test_paths(built: str, path: str) -> None:
    assert built == path
