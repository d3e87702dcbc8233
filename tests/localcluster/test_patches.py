"""The three kinds of patches, on plain objects."""

import pytest

from aiokai.localcluster.objects import Json
from aiokai.localcluster.patches import json_patch, merge_patch, strategic_merge_patch
from aiokai.localcluster.status import Refusal


def test_a_merge_patch_replaces_lists_and_removes_nulls() -> None:
    current = {"a": [1, 2], "b": {"c": 1, "d": 2}, "e": 5}
    assert merge_patch(current, {"a": [3], "b": {"c": None}, "e": None}) == {"a": [3], "b": {"d": 2}}


def test_a_merge_patch_leaves_its_input_alone() -> None:
    current = {"a": {"b": 1}}
    merge_patch(current, {"a": {"b": 2, "c": 3}})
    assert current == {"a": {"b": 1}}


def test_a_merge_patch_into_nothing_drops_nulls() -> None:
    assert merge_patch(None, {"a": {"b": None, "c": 1}}) == {"a": {"c": 1}}


def test_a_strategic_patch_merges_named_items() -> None:
    current = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}
    patch = {"containers": [{"name": "b", "image": "2"}, {"name": "c", "image": "3"}]}
    assert strategic_merge_patch(current, patch) == {
        "containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c", "image": "3"}]
    }


def test_ports_of_containers_and_of_services_have_their_own_keys() -> None:
    container = {"ports": [{"containerPort": 80, "name": "old"}]}
    assert strategic_merge_patch(container, {"ports": [{"containerPort": 80, "name": "new"}]}) == {
        "ports": [{"containerPort": 80, "name": "new"}]
    }
    service = {"ports": [{"port": 80, "targetPort": 1}]}
    assert strategic_merge_patch(service, {"ports": [{"port": 443}]}) == {
        "ports": [{"port": 80, "targetPort": 1}, {"port": 443}]
    }


def test_tolerations_and_taints_are_replaced_as_a_whole() -> None:
    current = {"tolerations": [{"key": "a"}], "taints": [{"key": "a"}]}
    patch: Json = {"tolerations": [{"key": "b"}], "taints": []}
    assert strategic_merge_patch(current, patch) == patch


def test_an_item_is_deleted_by_its_name() -> None:
    current = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    patch = {"env": [{"name": "A", "$patch": "delete"}, {"name": "C", "$patch": "delete"}]}
    assert strategic_merge_patch(current, patch) == {"env": [{"name": "B", "value": "2"}]}


def test_a_list_or_an_object_can_be_replaced_on_demand() -> None:
    current = {"env": [{"name": "A"}], "selector": {"a": "1"}}
    patch = {"env": [{"$patch": "replace"}, {"name": "B"}], "selector": {"$patch": "replace", "b": "2"}}
    assert strategic_merge_patch(current, patch) == {"env": [{"name": "B"}], "selector": {"b": "2"}}


def test_plain_values_are_added_and_deleted() -> None:
    current = {"finalizers": ["a", "b"]}
    assert strategic_merge_patch(current, {"finalizers": ["b", "c"]}) == {"finalizers": ["a", "b", "c"]}
    patch = {"$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["b"]}
    assert strategic_merge_patch(current, patch) == {"finalizers": ["b"]}


def test_retained_keys_push_out_the_others() -> None:
    current = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}
    patch = {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
    assert strategic_merge_patch(current, patch) == {"strategy": {"type": "Recreate"}}


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ({"op": "add"}, 400),
        ([{"op": "fly", "path": "/a"}], 400),
        ([{"op": "remove", "path": "/b"}], 422),
        ([{"op": "test", "path": "/a", "value": 2}], 422),
    ],
)
def test_a_json_patch_that_does_not_apply_is_refused(operations: object, code: int) -> None:
    with pytest.raises(Refusal) as refused:
        json_patch({"a": 1}, operations)
    assert refused.value.code == code
