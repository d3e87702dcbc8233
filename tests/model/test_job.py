import json
from typing import Any

import pytest

from aiokai.controllers.jobplugins import PLUGINS as PLUGIN_TABLE
from aiokai.dialects import AIOKAI
from aiokai.errors import InvalidObjectError
from aiokai.model.job import PLUGINS, Job

TEMPLATE = {"spec": {"containers": [{"name": "main", "image": "busybox"}]}}


def read(spec: dict[str, Any], name: str = "train") -> Job:
    return AIOKAI.job.decode(json.dumps({"metadata": {"name": name}, "spec": spec}).encode())


def problem(spec: dict[str, Any], name: str = "train") -> InvalidObjectError:
    with pytest.raises(InvalidObjectError) as caught:
        read(spec, name)
    return caught.value


def task(**fields: Any) -> dict[str, Any]:
    return {"template": TEMPLATE, **fields}


def test_a_task_without_a_name_is_named_by_its_place() -> None:
    job = read({"tasks": [task(), task(name="worker"), task()]})
    assert [t.name for t in job.spec.tasks] == ["default0", "worker", "default2"]


@pytest.mark.parametrize("told", [{}, {"minAvailable": None}, {"minAvailable": 0}])
def test_a_gang_is_whole_with_what_its_tasks_need_unless_told_otherwise(told: dict[str, Any]) -> None:
    assert read({"tasks": [task(replicas=1), task(replicas=8, minAvailable=3)], **told}).spec.min_member == 4


def test_min_available_may_be_less_than_the_tasks_need_together() -> None:
    assert read({"minAvailable": 2, "tasks": [task(replicas=4)]}).spec.min_member == 2


def test_fields_of_later_kubernetes_versions_in_a_template_are_kept() -> None:
    template = {"spec": {**TEMPLATE["spec"], "brandNew": {"nested": [1]}}}
    assert read({"tasks": [{"template": template}]}).spec.tasks[0].template == template


def test_the_model_names_exactly_the_plugins_that_exist() -> None:
    assert sorted(PLUGINS) == sorted(PLUGIN_TABLE)


@pytest.mark.parametrize(
    ("spec", "path", "reason"),
    [
        ({}, "spec.tasks", "required"),
        ({"tasks": []}, "spec.tasks", "at least 1"),
        ({"tasks": [task(), task(replicas=-1)]}, "spec.tasks[1].replicas", "greater than or equal to 0"),
        ({"tasks": [task(replicas="two")]}, "spec.tasks[0].replicas", "valid integer"),
        ({"tasks": [task(replicas=2, minAvailable=3)]}, "spec.tasks[0].minAvailable", "3 is more than"),
        ({"tasks": [task(replicas=2)], "minAvailable": 3}, "spec.minAvailable", "3 is more than"),
        ({"tasks": [task(name="a"), task(name="a")]}, "spec.tasks[1].name", "two tasks have the same name 'a'"),
        ({"tasks": [task(name="default1"), task()]}, "spec.tasks[1].name", "same name 'default1'"),
        ({"tasks": [task(name="Worker_1")]}, "spec.tasks[0].name", "pattern"),
        ({"tasks": [task(name="w" * 64)]}, "spec.tasks[0].name", "63"),
        ({"tasks": [task()], "plugins": {"ssh": []}}, "spec.plugins.ssh", "unknown plugin; there are: env, svc"),
        ({"tasks": [task()], "minSuccess": 0}, "spec.minSuccess", "greater than or equal to 1"),
        ({"tasks": [{}]}, "spec.tasks[0].template", "required"),
        ({"tasks": [{"template": {}}]}, "spec.tasks[0].template.spec", "required"),
        ({"tasks": [{"template": {"spec": {"containers": []}}}]}, "spec.tasks[0].template.spec.containers", "1 item"),
        (
            {"tasks": [{"template": {"spec": {"containers": [{"resources": {"limits": 4}}]}}}]},
            "spec.tasks[0].template.spec.containers[0].resources.limits",
            "valid dictionary",
        ),
        (
            {"tasks": [{"template": {"metadata": {"labels": {"a": 1}}, **TEMPLATE}}]},
            "spec.tasks[0].template.metadata.labels.a",
            "valid string",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_path(spec: dict[str, Any], path: str, reason: str) -> None:
    error = problem(spec)
    assert error.path == path
    assert reason in error.reason


def test_a_name_must_fit_into_a_label() -> None:
    assert problem({"tasks": [task()]}, "j" * 64).path == "metadata.name"


def test_with_plugin_svc_pod_names_are_host_names() -> None:
    spec = {"plugins": {"svc": []}, "tasks": [task(name="worker", replicas=1000)]}
    read(spec, "j" * 52)
    assert problem(spec, "j" * 53).path == "spec.tasks[0].name"
    assert problem(spec, "a.b").path == problem(spec, "1st").path == "metadata.name"
    read({**spec, "plugins": {"env": []}}, "a.b")
