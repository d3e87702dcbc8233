"""Why a gang waits, in the words that people and dashboards know from kube-scheduler."""

from aiokai.model import kube
from aiokai.model.reasons import Reason
from aiokai.session.decisions import Decisions, Verdict
from tests.support.building import make_group, make_node, make_pod, make_queue
from tests.support.mirror import Mirror


def verdict_of(decisions: Decisions, name: str) -> Verdict:
    verdict = next(gang.verdict for gang in decisions.gangs if gang.gang.name == name)
    assert verdict is not None
    return verdict


def test_nodes_are_counted_by_reason_and_the_reasons_sorted_as_text() -> None:
    mirror = Mirror()
    taint = kube.Taint("gpu", "yes", "NoSchedule")
    mirror.put(
        make_queue("default"),
        make_pod("p", {"cpu": "4", "memory": "4Gi"}, node_selector={"zone": "a"}),
        make_node("n0", {"cpu": "8", "memory": "8Gi"}, labels={"zone": "b"}),
        make_node("n1", {"cpu": "8", "memory": "8Gi"}, labels={"zone": "a"}, taints=[taint]),
        make_node("n2", {"cpu": "2", "memory": "2Gi"}, labels={"zone": "a"}),
        make_node("n3", {"cpu": "2", "memory": "8Gi"}, labels={"zone": "a"}),
        make_node("n4", {"cpu": "8", "memory": "8Gi", "pods": "0"}, labels={"zone": "a"}),
        make_node("n5", {"cpu": "8"}, labels={"zone": "a"}, unschedulable=True),
    )
    assert verdict_of(mirror.schedule(), "p").pod_message == (
        "0/6 nodes are available: 1 Insufficient memory, 1 Too many pods, 1 node(s) didn't match Pod's node "
        "affinity/selector, 1 node(s) had untolerated taint {gpu: yes}, 1 node(s) were unschedulable, "
        "2 Insufficient cpu."
    )


def test_without_nodes_it_says_so() -> None:
    mirror = Mirror()
    mirror.put(make_queue("default"), make_pod("p", {"cpu": "1"}))
    assert verdict_of(mirror.schedule(), "p").pod_message == "no nodes available to schedule pods"


def test_the_task_that_found_no_place_is_explained_with_its_siblings_in_theirs() -> None:
    mirror = Mirror()
    mirror.put(make_queue("default"), make_node("n0", {"cpu": "8"}), make_node("n1", {"cpu": "8"}), make_group("g", 3))
    mirror.put(*(make_pod(f"g-{i}", {"cpu": "5"}, group="g") for i in range(3)))
    mirror.put(make_pod("runs", {"cpu": "1"}, node="n0", phase="Running"))
    verdict = verdict_of(mirror.schedule(), "g")
    assert verdict.pod_message == "0/2 nodes are available: 2 Insufficient cpu."
    assert verdict.reason is Reason.NEVER_FITS
    assert "3 tasks must start together, and an empty cluster has room for 2; each asks for cpu: 5" in verdict.message


def test_a_gang_that_only_others_keep_out_may_hope() -> None:
    mirror = Mirror()
    mirror.put(make_queue("default"), make_node("n0", {"cpu": "8"}), make_group("g", 2))
    mirror.put(*(make_pod(f"g-{i}", {"cpu": "4"}, group="g") for i in range(2)))
    mirror.put(make_pod("runs", {"cpu": "1"}, node="n0", phase="Running"))
    verdict = verdict_of(mirror.schedule(), "g")
    assert verdict.reason is Reason.UNSCHEDULABLE
    assert verdict.message.startswith("1 of 2 tasks fit now, all or none start. 0/1 nodes are available")


def test_a_queue_at_its_capability_tells_what_it_has_and_what_is_wanted() -> None:
    mirror = Mirror()
    mirror.put(make_queue("default", capability={"cpu": "3"}), make_node("n0", {"cpu": "8"}))
    mirror.put(make_pod("a", {"cpu": "2"}, age_s=5), make_pod("b", {"cpu": "2"}))
    verdict = verdict_of(mirror.schedule(), "b")
    assert verdict.reason is Reason.QUEUE_OVER_CAPABILITY
    assert verdict.message == "queue default may use no more than cpu: 3 (2 in use, 2 more wanted)"


def test_a_gang_that_waits_for_release_is_not_called_scheduled() -> None:
    mirror = Mirror()
    mirror.put(make_queue("default"), make_node("n0", {"cpu": "4"}), make_group("g", 1))
    mirror.put(
        make_pod("old", {"cpu": "4"}, node="n0", phase="Running", deleted=True),
        make_pod("g-0", {"cpu": "2"}, group="g"),
    )
    gang = next(gang for gang in mirror.schedule().gangs if gang.gang.name == "g")
    assert [nominated.node for nominated in gang.nominations] == ["n0"]
    assert gang.status is not None
    assert [(c.type, c.status, c.reason) for c in gang.status.conditions] == [("Scheduled", "False", "WaitsForRelease")]
