from aiokai.model.merge_patch import merge_patch


def test_equal_objects_need_no_patch() -> None:
    assert merge_patch({"a": {"b": [1]}}, {"a": {"b": [1]}}) == {}


def test_only_what_differs_is_said_lists_whole() -> None:
    old = {"same": 1, "map": {"same": 1, "other": 1}, "list": [1, 2]}
    new = {"same": 1, "map": {"same": 1, "other": 2}, "list": [1]}
    assert merge_patch(old, new) == {"map": {"other": 2}, "list": [1]}


def test_what_is_gone_is_removed_by_name() -> None:
    assert merge_patch({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 2}}) == {"b": None, "a": {"x": None}}


def test_zero_and_false_are_values() -> None:
    assert merge_patch({}, {"count": 0, "on": False}) == {"count": 0, "on": False}
