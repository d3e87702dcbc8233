"""Evictions: what the budgets of a pod allow, and what becomes of pod and budget."""

import asyncio
from typing import Any

import pytest

from tests.contract.server import WAIT_S, Reply, Server, pod

BUDGETS = "/apis/policy/v1/namespaces/{}/poddisruptionbudgets"
APPS = "/apis/apps/v1/namespaces/{}"
LABELS = {"app": "web"}


def budget(name: str = "b", *, labels: dict[str, str] = LABELS, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, **spec},
    }


def budgets(server: Server, name: str = "") -> str:
    return BUDGETS.format(server.namespace) + (f"/{name}" if name else "")


async def limit(server: Server, name: str = "b", **spec: Any) -> None:
    (await server.post(budgets(server), budget(name, **spec))).ok(201)


async def counted(server: Server, name: str = "b", **wanted: Any) -> dict[str, Any]:
    """The status of a budget, once it says what is wanted."""
    status: dict[str, Any] = {}
    try:
        async with asyncio.timeout(WAIT_S):
            while not ("observedGeneration" in status and wanted.items() <= status.items()):
                await asyncio.sleep(0.02)
                status = (await server.get(budgets(server, name))).ok()["status"]
    except TimeoutError:
        pytest.fail(f"the status of the budget stays {status}")
    return status


async def running(server: Server, *names: str, ready: bool = True, **metadata: Any) -> None:
    """Pods that are bound and run."""
    for name in names:
        await server.create_pod(name, metadata={"labels": LABELS, **metadata})
        (await server.bind(name)).ok(201)
        conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
        (await server.patch(f"pods/{name}/status", {"status": {"phase": "Running", "conditions": conditions}})).ok()


async def controller(server: Server) -> dict[str, Any]:
    """A reference to a new owner that has no replicas."""
    owner = (await server.post("configmaps", {"metadata": {"name": "owner"}})).ok(201)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    return {**reference, "controller": True}


async def evict(server: Server, name: str, options: dict[str, Any] | None = None, **query: Any) -> Reply:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return await server.post(f"pods/{name}/eviction", body | ({"deleteOptions": options} if options else {}), **query)


async def is_leaving(server: Server, name: str) -> bool:
    return "deletionTimestamp" in (await server.get(f"pods/{name}")).ok()["metadata"]


async def test_a_pod_without_a_budget_is_evicted(server: Server) -> None:
    await running(server, "p")
    answer = (await evict(server, "p")).ok(201)
    assert (answer["kind"], answer["status"], answer["code"]) == ("Status", "Success", 201)
    evicted = (await server.get("pods/p")).ok()
    assert evicted["metadata"]["deletionGracePeriodSeconds"] == 30
    target = next(it for it in evicted["status"]["conditions"] if it["type"] == "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "EvictionByEvictionAPI")
    assert target["message"] == "Eviction API: evicting"


async def test_an_eviction_may_shorten_the_grace(server: Server) -> None:
    await running(server, "p")
    (await evict(server, "p", {"gracePeriodSeconds": 3})).ok(201)
    assert (await server.get("pods/p")).ok()["metadata"]["deletionGracePeriodSeconds"] == 3
    (await evict(server, "p", {"gracePeriodSeconds": 0})).ok(201)
    (await server.get("pods/p")).refused(404, "NotFound")


async def test_an_eviction_names_the_pod_of_its_path(server: Server) -> None:
    await running(server, "p")
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "q"}}
    (await server.post("pods/p/eviction", body)).refused(400, "BadRequest")
    (await evict(server, "absent")).refused(404, "NotFound")


async def test_a_dry_run_evicts_nobody(server: Server) -> None:
    await running(server, "a", "b")
    await limit(server, minAvailable=1)
    before = await counted(server, disruptionsAllowed=1)
    (await evict(server, "a", dryRun="All")).ok(201)
    (await evict(server, "a", {"dryRun": ["All"]})).ok(201)
    assert not await is_leaving(server, "a")
    assert "DisruptionTarget" not in str((await server.get("pods/a")).body)
    assert await counted(server) == before


async def test_a_budget_is_counted(server: Server) -> None:
    await running(server, "a", "b", "c")
    await running(server, "sick", ready=False)
    await limit(server, minAvailable=2)
    status = await counted(server, currentHealthy=3)
    assert (status["expectedPods"], status["desiredHealthy"], status["disruptionsAllowed"]) == (4, 2, 1)
    assert status["observedGeneration"] == 1
    condition = status["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"], condition["message"]) == (
        "DisruptionAllowed",
        "True",
        "SufficientPods",
        "",
    )
    assert condition["observedGeneration"] == 1
    assert condition["lastTransitionTime"]


async def test_a_spent_budget_refuses_and_names_no_time(server: Server) -> None:
    await running(server, "a", "b")
    await limit(server, minAvailable=1)
    await counted(server, disruptionsAllowed=1)
    (await evict(server, "a")).ok(201)
    await counted(server, currentHealthy=1)
    refusal = (await evict(server, "b")).refused(429, "TooManyRequests")
    assert refusal["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    why = "The disruption budget b needs 1 healthy pods and has 1 currently"
    assert refusal["details"] == {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    assert not await is_leaving(server, "b")


async def test_an_eviction_is_written_into_the_budget(server: Server) -> None:
    await running(server, "a", "b")
    await limit(server, minAvailable=1)
    await counted(server, disruptionsAllowed=1)
    version = (await server.get(budgets(server, "b"))).ok()["metadata"]["resourceVersion"]
    async with server.watch(budgets(server), resourceVersion=version) as events:
        (await evict(server, "a")).ok(201)
        _, changed = await events.next()
    assert changed["status"]["disruptionsAllowed"] == 0
    assert list(changed["status"]["disruptedPods"]) == ["a"]
    # The pod is leaving, so it is no longer expected to.
    status = await counted(server, currentHealthy=1)
    assert status["disruptionsAllowed"] == 0


async def test_a_budget_that_is_not_yet_counted_says_when_to_come_again(server: Server) -> None:
    # It never will be: nobody knows how many pods this owner wants.
    await running(server, "a", ownerReferences=[await controller(server)])
    await limit(server, maxUnavailable="50%")
    async with server.session.post(
        server.path("pods/a/eviction"),
        json={"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}},
    ) as answer:
        refusal = Reply(answer.status, await answer.json()).refused(429, "TooManyRequests")
        assert answer.headers["Retry-After"] == "10"
    assert refusal["details"]["retryAfterSeconds"] == 10
    why = "The disruption budget b is still being processed by the server."
    assert refusal["details"]["causes"] == [{"reason": "DisruptionBudget", "message": why}]
    assert not await is_leaving(server, "a")


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
async def test_a_pod_that_does_not_run_is_evicted_whatever_the_budget_says(server: Server, phase: str) -> None:
    await running(server, "p")
    (await server.patch("pods/p/status", {"status": {"phase": phase}})).ok()
    await limit(server, minAvailable=9)
    await counted(server, desiredHealthy=9)
    (await evict(server, "p")).ok(201)


async def test_a_sick_pod_is_evicted_if_the_healthy_ones_are_enough(server: Server) -> None:
    await running(server, "a")
    await running(server, "sick", ready=False)
    await limit(server, minAvailable=1)
    await counted(server, currentHealthy=1, expectedPods=2)
    (await evict(server, "a")).refused(429, "TooManyRequests")
    (await evict(server, "sick")).ok(201)
    assert (await counted(server, currentHealthy=1))["disruptionsAllowed"] == 0


async def test_sick_pods_may_be_free_to_go_always(server: Server) -> None:
    await running(server, "sick", ready=False)
    await limit(server, minAvailable=1)
    await counted(server, expectedPods=1)
    (await evict(server, "sick")).refused(429, "TooManyRequests")
    change = {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}}
    (await server.patch(budgets(server, "b"), change)).ok()
    await counted(server, observedGeneration=2)
    (await evict(server, "sick")).ok(201)


async def test_two_budgets_for_one_pod_are_too_many(server: Server) -> None:
    await running(server, "p")
    for name in ("one", "two"):
        await limit(server, name, minAvailable=0)
    answer = (await evict(server, "p")).ok(500)
    assert answer["message"] == (
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    )
    assert (answer["status"], answer.get("reason")) == ("Failure", None)
    assert not await is_leaving(server, "p")


async def test_the_uid_is_looked_at_after_the_budget(server: Server) -> None:
    await running(server, "a", "b")
    await limit(server, minAvailable=1)
    await counted(server, disruptionsAllowed=1)
    wrong = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    refusal = (await evict(server, "a", wrong)).refused(409, "Conflict")
    assert refusal["details"] == {"name": "a", "kind": "Pod"}
    assert "does not match the UID in record" in refusal["message"]
    # The budget is spent nevertheless, until it is seen that nobody left.
    (await evict(server, "a", wrong)).refused(429, "TooManyRequests")
    right = {"preconditions": {"uid": (await server.get("pods/b")).ok()["metadata"]["uid"]}}
    (await server.delete(budgets(server, "b"))).ok()
    (await evict(server, "b", right)).ok(201)


@pytest.mark.parametrize(
    ("spec", "desired"),
    [({"minAvailable": "50%"}, 3), ({"maxUnavailable": 2}, 3), ({"maxUnavailable": "25%"}, 3)],
)
async def test_percentages_are_of_what_the_owners_want(server: Server, spec: dict[str, Any], desired: int) -> None:
    template = {"metadata": {"labels": LABELS}, "spec": pod()["spec"]}
    wanted = {"replicas": 5, "selector": {"matchLabels": LABELS}, "template": template}
    path = f"{APPS.format(server.namespace)}/replicasets"
    owner = (await server.post(path, {"metadata": {"name": "web"}, "spec": wanted})).ok(201)
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": owner["metadata"]["uid"]}
    await running(server, "a", "b", ownerReferences=[{**reference, "controller": True}])
    await limit(server, **spec)
    status = await counted(server, currentHealthy=2, expectedPods=5)
    assert (status["desiredHealthy"], status["disruptionsAllowed"]) == (desired, 0)


async def test_percentages_of_pods_without_an_owner_are_nothing(server: Server) -> None:
    await running(server, "a", "b")
    await limit(server, maxUnavailable="50%")
    status = await counted(server, currentHealthy=2)
    assert (status["expectedPods"], status["desiredHealthy"], status["disruptionsAllowed"]) == (0, 0, 0)


async def test_an_owner_that_cannot_be_scaled_spoils_a_percentage(server: Server) -> None:
    await running(server, "a", ownerReferences=[await controller(server)])
    await limit(server, maxUnavailable="50%")
    async with asyncio.timeout(WAIT_S):
        while not (status := (await server.get(budgets(server, "b"))).ok()["status"]).get("conditions"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    condition = status["conditions"][0]
    assert (status["disruptionsAllowed"], condition["status"], condition["reason"]) == (0, "False", "SyncFailed")
    assert condition["message"] == "configmaps does not implement the scale subresource"


@pytest.mark.parametrize(
    "spec",
    [
        {"minAvailable": 1, "maxUnavailable": 1},
        {"minAvailable": -1},
        {"maxUnavailable": "120%"},
        {"minAvailable": "much"},
        {"minAvailable": 1, "unhealthyPodEvictionPolicy": "Sometimes"},
    ],
    ids=str,
)
async def test_a_budget_that_makes_no_sense_is_invalid(server: Server, spec: dict[str, Any]) -> None:
    (await server.post(budgets(server), budget(**spec))).refused(422, "Invalid")


async def test_budgets_are_shown_with_what_they_allow(server: Server) -> None:
    await running(server, "a", "b")
    await limit(server, minAvailable=1)
    await counted(server, disruptionsAllowed=1)
    heads, row = (await server.kubectl("get", "pdb")).splitlines()
    assert heads.split() == ["NAME", "MIN", "AVAILABLE", "MAX", "UNAVAILABLE", "ALLOWED", "DISRUPTIONS", "AGE"]
    assert row.split()[:4] == ["b", "1", "N/A", "1"]
