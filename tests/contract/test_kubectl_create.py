"""kubectl create, which sends most kinds as protobuf, and kubectl drain."""

import base64
import shutil
from typing import Any

import pytest

from tests.contract.server import Server

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not in PATH")


async def made(server: Server, path: str, *words: str) -> dict[str, Any]:
    """What a kubectl create leaves at `path`."""
    assert "created" in await server.kubectl("create", *words)
    return (await server.get(path)).ok()


async def test_a_namespace(server: Server) -> None:
    name = f"{server.namespace}-more"
    namespace = await made(server, f"/api/v1/namespaces/{name}", "namespace", name)
    assert namespace["status"] == {"phase": "Active"}
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": name}
    (await server.delete(f"/api/v1/namespaces/{name}")).ok()


async def test_a_deployment(server: Server) -> None:
    path = f"/apis/apps/v1/namespaces/{server.namespace}/deployments/web"
    words = ("--image=nginx:1", "--replicas=0", "--port=80", "--", "sleep", "1")
    deployment = await made(server, path, "deployment", "web", *words)
    spec, template = deployment["spec"], deployment["spec"]["template"]
    assert (spec["replicas"], spec["selector"]) == (0, {"matchLabels": {"app": "web"}})
    assert template["metadata"]["labels"] == {"app": "web"}
    container = template["spec"]["containers"][0]
    assert (container["name"], container["image"], container["command"]) == ("nginx", "nginx:1", ["sleep", "1"])
    assert container["ports"][0]["containerPort"] == 80


async def test_a_config_map(server: Server) -> None:
    config = await made(server, "configmaps/c", "configmap", "c", "--from-literal=a=1", "--from-literal=empty=")
    assert config["data"] == {"a": "1", "empty": ""}


async def test_a_secret(server: Server) -> None:
    secret = await made(server, "secrets/s", "secret", "generic", "s", "--from-literal=a=geheim")
    assert (secret["data"], secret["type"]) == ({"a": base64.b64encode(b"geheim").decode()}, "Opaque")


async def test_a_service_account(server: Server) -> None:
    account = await made(server, "serviceaccounts/robot", "serviceaccount", "robot")
    assert account["metadata"]["name"] == "robot"


async def test_a_quota(server: Server) -> None:
    quota = await made(server, "resourcequotas/q", "quota", "q", "--hard=pods=5,requests.cpu=2500m")
    assert quota["spec"] == {"hard": {"pods": "5", "requests.cpu": "2500m"}}
    (await server.delete("resourcequotas/q")).ok()


@pytest.mark.parametrize(("option", "value"), [("--min-available=1", 1), ("--max-unavailable=25%", "25%")])
async def test_a_budget(server: Server, option: str, value: int | str) -> None:
    path = f"/apis/policy/v1/namespaces/{server.namespace}/poddisruptionbudgets/b"
    budget = await made(server, path, "pdb", "b", "--selector=app=web", option)
    assert value in budget["spec"].values()
    assert budget["spec"]["selector"] == {"matchLabels": {"app": "web"}}


async def test_a_priority_class(server: Server) -> None:
    name = f"{server.namespace}-urgent"
    path = f"/apis/scheduling.k8s.io/v1/priorityclasses/{name}"
    words = ("--value=-7", "--description=low", "--preemption-policy=Never")
    priority = await made(server, path, "priorityclass", name, *words)
    assert (priority["value"], priority["description"], priority["preemptionPolicy"]) == (-7, "low", "Never")
    (await server.delete(path)).ok()


async def test_a_job(server: Server) -> None:
    path = f"/apis/batch/v1/namespaces/{server.namespace}/jobs/once"
    job = await made(server, path, "job", "once", "--image=busybox", "--", "date")
    template = job["spec"]["template"]["spec"]
    assert (template["restartPolicy"], template["containers"][0]["command"]) == ("Never", ["date"])


async def test_a_service(server: Server) -> None:
    service = await made(server, "services/web", "service", "clusterip", "web", "--tcp=80:8080")
    assert service["spec"]["selector"] == {"app": "web"}
    port = service["spec"]["ports"][0]
    assert (port["name"], port["port"], port["targetPort"], port["protocol"]) == ("80-8080", 80, 8080, "TCP")


async def test_a_role_and_who_has_it(server: Server) -> None:
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{server.namespace}"
    role = await made(server, f"{path}/roles/reader", "role", "reader", "--verb=get", "--verb=list", "--resource=pods")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
    words = ("rolebinding", "readers", "--role=reader", f"--serviceaccount={server.namespace}:robot")
    binding = await made(server, f"{path}/rolebindings/readers", *words)
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "robot", "namespace": server.namespace}]


async def test_what_is_created_twice_or_wrongly_is_refused_in_words(server: Server) -> None:
    await server.kubectl("create", "configmap", "c")
    assert "already exists" in await server.kubectl("create", "configmap", "c", succeeds=False)
    assert "metadata.name: Invalid value" in await server.kubectl("create", "configmap", "No_Name", succeeds=False)


async def test_a_body_that_is_no_protobuf_is_a_bad_request(server: Server) -> None:
    for body in (b"{}", b"k8s\0", b"k8s\0\x0a\xff"):
        headers = {"Content-Type": "application/vnd.kubernetes.protobuf", "Accept": "application/json"}
        async with server.session.post(server.path("configmaps"), data=body, headers=headers) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (400, "BadRequest")


async def test_a_node_is_drained(server: Server) -> None:
    name = f"{server.namespace}-n0"
    (await server.post("/api/v1/nodes", {"metadata": {"name": name}})).ok(201)
    await server.create_pod("alone")
    (await server.bind("alone", name)).ok(201)
    printed = await server.kubectl("drain", name, "--force", "--grace-period=0", "--disable-eviction=false")
    assert "evicted" in printed
    (await server.get("pods/alone")).refused(404, "NotFound")
    assert (await server.get(f"/api/v1/nodes/{name}")).ok()["spec"]["unschedulable"] is True
    (await server.delete(f"/api/v1/nodes/{name}")).ok()
