"""What a container finds about its Job, under the names that scripts written for Volcano read."""

from typing import Any

import pytest

from aiokai.controllers.jobplugins.plugin import parse_flags
from aiokai.errors import InvalidObjectError
from aiokai.model.resource import CONFIG_MAPS, NETWORK_POLICIES, SERVICES
from tests.controllers.world import World, container, task


def env_of(pod: dict[str, Any], where: str = "containers") -> dict[str, Any]:
    return {v["name"]: v.get("value", v.get("valueFrom")) for v in pod["spec"][where][0]["env"]}


def from_config_map(key: str) -> dict[str, Any]:
    return {"configMapKeyRef": {"name": "train-svc", "key": key}}


def test_env_tells_every_container_its_index() -> None:
    spec = {"containers": [container()], "initContainers": [container()]}
    pod = World(task("worker", 3, template={"spec": spec}), plugins={"env": []}).admit().pod("worker-2")
    for where in ("containers", "initContainers"):
        assert env_of(pod, where) == {"VK_TASK_INDEX": "2", "VC_TASK_INDEX": "2"}


def test_what_a_container_sets_itself_is_kept_and_may_refer_to_the_index() -> None:
    own = [{"name": "VK_TASK_INDEX", "value": "mine"}, {"name": "RANK", "value": "$(VC_TASK_INDEX)"}]
    spec = {"containers": [{**container(), "env": own}]}
    pod = World(task(template={"spec": spec}), plugins={"env": []}).admit().pod("worker-0")
    assert [v["name"] for v in pod["spec"]["containers"][0]["env"]] == ["VC_TASK_INDEX", "VK_TASK_INDEX", "RANK"]
    assert env_of(pod)["VK_TASK_INDEX"] == "mine"


def test_svc_gives_pods_host_names_files_and_variables() -> None:
    world = World(task("master"), task("ps-worker", 2), plugins={"svc": []}).admit()
    spec = world.pod("ps-worker-1")["spec"]
    assert (spec["hostname"], spec["subdomain"]) == ("train-ps-worker-1", "train")
    assert env_of({"spec": spec}) == {
        key: from_config_map(key)
        for key in ("VC_MASTER_HOSTS", "VC_MASTER_NUM", "VC_PS_WORKER_HOSTS", "VC_PS_WORKER_NUM")
    }
    (volume,) = spec["volumes"]
    assert volume["configMap"]["items"] == [
        {"key": "master.host", "path": "master.host"},
        {"key": "ps-worker.host", "path": "ps-worker.host"},
    ]
    assert spec["containers"][0]["volumeMounts"] == [{"name": volume["name"], "mountPath": "/etc/volcano"}]
    assert world.objects[CONFIG_MAPS, "train-svc"]["data"] == {
        "master.host": "train-master-0.train\n",
        "VC_MASTER_HOSTS": "train-master-0.train",
        "VC_MASTER_NUM": "1",
        "ps-worker.host": "train-ps-worker-0.train\ntrain-ps-worker-1.train\n",
        "VC_PS_WORKER_HOSTS": "train-ps-worker-0.train,train-ps-worker-1.train",
        "VC_PS_WORKER_NUM": "2",
    }


def test_svc_makes_a_headless_service_and_keeps_strangers_out() -> None:
    world = World(task(), plugins={"svc": []}).admit()
    mine = {"aiokai.io/job": "train"}
    assert world.objects[SERVICES, "train"]["spec"] == {
        "clusterIP": "None",
        "selector": mine,
        "publishNotReadyAddresses": False,
    }
    pods = {"matchLabels": mine}
    assert world.objects[NETWORK_POLICIES, "train"]["spec"] == {
        "podSelector": pods,
        "ingress": [{"from": [{"podSelector": pods}]}],
        "policyTypes": ["Ingress"],
    }
    assert world.objects[SERVICES, "train"]["metadata"]["ownerReferences"][0]["uid"] == "u1"


def test_the_objects_of_a_plugin_are_there_before_its_pods() -> None:
    world = World(task(), plugins={"svc": []}).settle()
    world.group["status"] = {"phase": "Inqueue"}
    kinds = [[create.resource.kind for create in world.step().create] for _ in range(2)]
    assert kinds == [["Service", "ConfigMap", "NetworkPolicy"], ["Pod"]]


def test_a_name_that_is_taken_keeps_the_pods_waiting() -> None:
    world = World(task(), plugins={"svc": []}).settle()
    text = 'services "train" already exists'
    world.verdict = lambda create: (409, text) if create.resource == SERVICES else (201, "")
    world.admit()
    assert world.pods == []
    assert (world.status["state"]["reason"], world.status["state"]["message"]) == ("Refused", text)


def test_host_names_follow_the_scale() -> None:
    world = World(task("worker", 1), plugins={"svc": []}).admit()
    world.edit(tasks=[task("worker", 2)])
    names = world.objects[CONFIG_MAPS, "train-svc"]["data"]
    assert names["VC_WORKER_HOSTS"] == "train-worker-0.train,train-worker-1.train"
    assert names["VC_WORKER_NUM"] == "2"


def test_flags_switch_parts_of_svc_off() -> None:
    flags = ["--publish-not-ready-addresses", "-disable-network-policy=true", "--inject-hosts-env=false"]
    world = World(task(), plugins={"svc": flags}).admit()
    assert world.objects[SERVICES, "train"]["spec"]["publishNotReadyAddresses"] is True
    assert (NETWORK_POLICIES, "train") not in world.objects
    assert list(env_of(world.pod("worker-0"))) == ["VC_WORKER_NUM"]


def test_a_host_name_in_the_template_is_everybodys() -> None:
    spec = {"containers": [container()], "hostname": "me", "subdomain": "here"}
    world = World(task("worker", 2, template={"spec": spec}), plugins={"svc": []}).admit()
    assert world.pod("worker-1")["spec"]["hostname"] == "me"
    assert world.objects[CONFIG_MAPS, "train-svc"]["data"]["worker.host"] == "me.here\n"


def test_a_removed_object_comes_back() -> None:
    world = World(task(), plugins={"svc": []}).admit()
    del world.objects[CONFIG_MAPS, "train-svc"]
    assert (CONFIG_MAPS, "train-svc") in world.settle().objects


@pytest.mark.parametrize(
    ("given", "value"),
    [([], True), (["--x"], True), (["--x=false"], False), (["-x=True"], True), (["--x=FALSE"], False)],
)
def test_flags_read_as_go_programs_read_them(given: list[str], value: bool) -> None:
    assert parse_flags(given, {"x": True}, "spec.plugins.p") == {"x": value}


@pytest.mark.parametrize("given", ["x", "--y", "--x=maybe", "", "--"])
def test_a_flag_that_means_nothing_is_named_by_its_place(given: str) -> None:
    with pytest.raises(InvalidObjectError) as caught:
        parse_flags(["--x", given], {"x": True}, "spec.plugins.p")
    assert caught.value.path == "spec.plugins.p[1]"
