"""Structural schemas: pruning, defaulting, and what errors say."""

from typing import Any

import pytest

from aiokai.localcluster.objects import Json
from aiokai.localcluster.schema import Schema

SCHEMA = Schema(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "required": ["weight"],
                "properties": {
                    "weight": {"type": "integer", "minimum": 1, "maximum": 10, "default": 2},
                    "state": {"type": "string", "enum": ["Open", "Closed"]},
                    "name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 4},
                    "note": {"type": "string", "nullable": True},
                    "when": {"type": "string", "format": "date-time"},
                    "amounts": {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True}},
                    "template": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    "tasks": {
                        "type": "array",
                        "maxItems": 2,
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {"name": {"type": "string"}, "replicas": {"type": "integer", "default": 1}},
                        },
                    },
                },
            }
        },
    }
)


def with_spec(**spec: Any) -> Json:
    return {"apiVersion": "t.io/v1", "kind": "T", "metadata": {"name": "a"}, "spec": spec}


def test_unknown_fields_are_removed_and_named() -> None:
    obj = with_spec(wait=1, tasks=[{"name": "a", "foo": 1}], template={"any": {"thing": 1}})
    obj["extra"] = 1
    assert sorted(SCHEMA.prune(obj)) == ["extra", "spec.tasks[0].foo", "spec.wait"]
    assert obj == with_spec(tasks=[{"name": "a"}], template={"any": {"thing": 1}})


def test_defaults_reach_into_lists_and_replace_nulls_that_may_not_stand() -> None:
    obj = with_spec(weight=None, note=None, tasks=[{"name": "a"}, {"name": "b", "replicas": 3}])
    SCHEMA.default(obj)
    assert obj["spec"]["weight"] == 2
    assert obj["spec"]["note"] is None
    assert [task["replicas"] for task in obj["spec"]["tasks"]] == [1, 3]


def test_a_default_is_not_shared_between_objects() -> None:
    schema = Schema({"type": "object", "properties": {"list": {"type": "array", "default": []}}})
    first: Json = {}
    second: Json = {}
    schema.default(first)
    schema.default(second)
    first["list"].append(1)
    assert second == {"list": []}


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({}, "spec.weight: Required value"),
        (
            {"weight": 0},
            "spec.weight: Invalid value: 0: spec.weight in body should be greater than or equal to 1",
        ),
        ({"weight": 11}, "spec.weight: Invalid value: 11: spec.weight in body should be less than or equal to 10"),
        (
            {"weight": "x"},
            'spec.weight: Invalid value: "string": spec.weight in body must be of type integer: "string"',
        ),
        (
            {"weight": 1, "state": "Ajar"},
            'spec.state: Unsupported value: "Ajar": supported values: "Open", "Closed"',
        ),
        ({"weight": 1, "name": "A"}, "spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'"),
        ({"weight": 1, "name": "abcde"}, "spec.name: Too long: may not be more than 4 bytes"),
        ({"weight": 1, "tasks": [{}]}, "spec.tasks[0].name: Required value"),
        ({"weight": 1, "tasks": [{"name": "a"}] * 3}, "spec.tasks: Too many: 3: must have at most 2 items"),
        ({"weight": 1, "tasks": [{"name": "a"}] * 2}, 'spec.tasks[1]: Duplicate value: {"name":"a"}'),
        ({"weight": 1, "tags": ["a", "a"]}, 'spec.tags[1]: Duplicate value: "a"'),
    ],
)
def test_errors_are_worded_as_kubernetes_words_them(spec: Json, error: str) -> None:
    assert error in [str(found) for found in SCHEMA.validate(with_spec(**spec))]


def test_what_is_right_has_no_errors() -> None:
    spec = {"weight": 1, "note": None, "when": "2026-01-01T00:00:00Z", "amounts": {"cpu": 1, "memory": "4Gi"}}
    assert SCHEMA.validate(with_spec(**spec)) == []


def test_a_boolean_is_neither_integer_nor_string() -> None:
    assert SCHEMA.validate(with_spec(weight=1, amounts={"cpu": True}))
    assert SCHEMA.validate(with_spec(weight=True))
