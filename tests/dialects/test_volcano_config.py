"""Volcano's scheduler configuration as a profile of ours, with everything that is lost named."""

from typing import Any

import pytest
import yaml

from aiokai.dialects.volcano_config import CONFIG_MAP_KEY, is_volcano_config, read_volcano_config
from aiokai.errors import ConfigError
from aiokai.model.configuration import Plugin, Profile
from aiokai.plugins import make_plugins

S12 = """
actions: "enqueue, allocate, backfill"
tiers:
- plugins:
  - name: priority
  - name: gang
  - name: conformance
- plugins:
  - name: drf
  - name: predicates
  - name: proportion
  - name: nodeorder
  - name: binpack
"""


def conf(*plugins: dict[str, Any], actions: str = "enqueue, allocate, backfill", **more: Any) -> dict[str, Any]:
    return {"actions": actions, "tiers": [{"plugins": [{"name": "gang"}, *plugins]}], **more}


def read(content: object) -> tuple[Profile, str]:
    """The profile, and the warnings as one text, without the one about Volcano's objects."""
    reading = read_volcano_config(content, "f")
    return reading.configuration.profile, "\n".join(it for it in reading.warnings if "PodGroups" not in it)


def plugin(profile: Profile, name: str) -> Plugin:
    return next(it for it in profile.plugins if it.name == name)


def test_the_usual_configuration_is_read_as_it_is() -> None:
    profile, warnings = read(yaml.safe_load(S12))
    assert profile.actions == ("enqueue", "allocate", "backfill")
    assert [it.name for it in profile.plugins] == ["priority", "gang", "fairshare", "spread", "binpack"]
    assert make_plugins(profile)
    assert warnings.splitlines() == [
        "tiers[1].plugins[0] (drf): dominant shares order queues here, not the jobs within one: "
        "those go by priority, then age"
    ]


def test_a_config_map_is_recognised_by_its_key() -> None:
    config_map = {"kind": "ConfigMap", "data": {CONFIG_MAP_KEY: S12}}
    assert is_volcano_config(config_map)
    assert is_volcano_config(yaml.safe_load(S12))
    assert not is_volcano_config({"kind": "ConfigMap", "data": {"config.yaml": S12}})
    assert not is_volcano_config({"profiles": []})
    assert not is_volcano_config(None)
    assert read(config_map) == read(yaml.safe_load(S12))


def test_binpack_weighs_resources_as_told() -> None:
    arguments = {
        "binpack.weight": 10,
        "binpack.cpu": "5",
        "binpack.memory": 1,
        "binpack.resources": "nvidia.com/gpu, example.com/foo",
        "binpack.resources.nvidia.com/gpu": 2.0,
        "binpack.resources.example.com/foo": 2.5,
        "binpack.resources.other": 3,
    }
    profile, warnings = read(conf({"name": "binpack", "arguments": arguments}))
    packing = plugin(profile, "binpack")
    assert packing.weight == 10
    assert packing.args == {"cpu": 5, "memory": 1, "nvidia.com/gpu": 2, "example.com/foo": 3}
    assert warnings.splitlines() == [
        "tiers[0].plugins[1] (binpack): binpack.resources.example.com/foo: "
        "weights are whole numbers from 0 to 1000 here, 3 is used for 2.5",
        "tiers[0].plugins[1] (binpack): binpack.resources.other has no effect",
    ]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({}, {"spread": 1}),
        ({"leastrequested.weight": 0, "mostrequested.weight": 3}, {"binpack": 3}),
        ({"leastrequested.weight": 2, "mostrequested.weight": 1}, {"spread": 2, "binpack": 1}),
        ({"nodeorder.policy": "binpack"}, {"binpack": 1}),
    ],
)
def test_nodeorder_becomes_what_it_asks_for(arguments: dict[str, Any], wanted: dict[str, int]) -> None:
    profile, warnings = read(conf({"name": "nodeorder", "arguments": arguments}))
    assert {it.name: it.weight for it in profile.plugins if it.name != "gang"} == wanted
    assert not warnings


@pytest.mark.parametrize(
    ("plugins", "warning"),
    [
        ([{"name": "tdm"}], "(tdm): there is no such plugin here"),
        ([{"name": "nodeorder", "arguments": {"imagelocality.weight": 5}}], "imagelocality.weight has no effect"),
        ([{"name": "nodeorder", "arguments": {"nodeaffinity.weight": 5}}], "it is always 2 here, not 5"),
        ([{"name": "predicates", "arguments": {"predicate.CacheEnable": True}}], "predicate.CacheEnable has no effect"),
        ([{"name": "drf", "enableHierarchy": True}], "enableHierarchy: true has no effect"),
        ([{"name": "predicates", "enablePredicate": False}], "enablePredicate: false has no effect"),
        ([{"name": "binpack", "arguments": {"binpack.weight": "much"}}], "'much' is no number, 1 is used"),
        ([{"name": "binpack"}, {"name": "binpack"}], "it is listed twice"),
        (
            [{"name": "nodeorder", "arguments": {"mostrequested.weight": 1}}, {"name": "binpack"}],
            "another plugin has said already how binpack is done",
        ),
    ],
)
def test_what_has_no_meaning_here_is_named(plugins: list[dict[str, Any]], warning: str) -> None:
    assert warning in read(conf(*plugins))[1]


def test_actions_that_are_not_known_are_left_out_and_named() -> None:
    profile, warnings = read(conf(actions="enqueue, allocate, allocate, shuffle"))
    assert profile.actions == ("enqueue", "allocate")
    assert warnings == "actions: there is no 'shuffle' here, it is left out"
    configured = conf(configurations=[{"name": "enqueue", "arguments": {"overcommit-factor": 1.5}}], metrics={})
    assert read(configured)[1].splitlines() == [
        "configurations[0] (enqueue): overcommit-factor has no effect",
        "metrics: no plugin here reads them",
    ]


def test_a_plugin_whose_order_is_switched_off_is_left_out() -> None:
    profile, _ = read(conf({"name": "priority", "enableJobOrder": False}))
    assert [it.name for it in profile.plugins] == ["gang"]


def test_a_shared_card_is_packed_or_spread_as_told() -> None:
    arguments = {
        "deviceshare.VGPUEnable": True,
        "deviceshare.SchedulePolicy": "spread",
        "deviceshare.ScheduleWeight": 10,
    }
    profile, warnings = read(conf({"name": "deviceshare", "arguments": arguments}))
    assert plugin(profile, "devicespread").weight == 10
    assert not warnings


def test_sections_of_ours_may_stand_beside_volcanos() -> None:
    volcano = {"name": "volcano", "schedulerNames": ["volcano"]}
    reading = read_volcano_config({**conf(), "dialects": [volcano]}, "f")
    assert reading.configuration.owned_dialects == {"volcano"}
    assert not reading.warnings
    (warning,) = read_volcano_config(conf(), "f").warnings
    assert "schedulerNames: [volcano]" in warning


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"actions": ["enqueue"], "tiers": []}, "f: actions: Input should be a valid string"),
        (conf({"arguments": {}}), r"f: tiers\[0\]\.plugins\[1\]\.name: Field required"),
        (conf({"name": "drf", "enableHierarchy": True}, {"name": "proportion"}), "exclude each other"),
        ({"kind": "ConfigMap", "data": {CONFIG_MAP_KEY: "a: ["}}, r"f: data\[volcano-scheduler.conf\]: "),
        ({**conf(), "profiles_": []}, "f: profiles_: "),
    ],
)
def test_what_cannot_be_read_is_refused_with_path_and_reason(content: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_volcano_config(content, "f")
