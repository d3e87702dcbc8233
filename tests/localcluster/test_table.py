"""Columns, JSONPaths and ages."""

import pytest

from aiokai.localcluster.jsonpath import compile_path
from aiokai.localcluster.objects import Json, timestamp
from aiokai.localcluster.table import NAME, Column, duration, path_cell, table

BORN = timestamp(-(3 * 86400 + 5 * 3600 + 1800))
OBJECT: Json = {
    "metadata": {
        "name": "a",
        "labels": {"aiokai.io/queue": "q"},
        "creationTimestamp": BORN,
    },
    "spec": {"replicas": 2, "suspend": False, "ports": [{"port": 80}, {"port": 443}]},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Failed", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.replicas", [2]),
        ("{.spec.replicas}", [2]),
        ("$.spec.replicas", [2]),
        (".spec.missing.deeper", []),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type!='Ready')].type", ["Failed"]),
        (".spec.ports[*].port", [80, 443]),
        (".spec.ports[1].port", [443]),
        (".spec.ports[-1].port", [443]),
        (".spec.ports[7].port", []),
        (r".metadata.labels.aiokai\.io/queue", ["q"]),
        (".metadata.labels['aiokai.io/queue']", ["q"]),
    ],
)
def test_a_path_finds(path: str, found: list[object]) -> None:
    assert compile_path(path)(OBJECT) == found


def test_a_path_that_is_not_understood_says_where() -> None:
    with pytest.raises(ValueError, match=r"not understood from '\[0:2\]'"):
        compile_path(".spec.ports[0:2]")


@pytest.mark.parametrize(
    ("path", "kind", "shown"),
    [
        (".spec.replicas", "integer", 2),
        (".spec.suspend", "boolean", False),
        (".spec.suspend", "string", "false"),
        (".spec.ports[*].port", "string", "80,443"),
        (".spec.missing", "string", None),
        (".metadata.creationTimestamp", "date", "3d5h"),
    ],
)
def test_a_cell_shows(path: str, kind: str, shown: object) -> None:
    assert path_cell(path, kind)(OBJECT) == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (200, "3m20s"),
        (600, "10m"),
        (3 * 3600 + 60, "3h1m"),
        (9 * 3600, "9h"),
        (50 * 3600, "2d2h"),
        (12 * 86400, "12d"),
        (800 * 86400, "2y70d"),
        (-5, "<invalid>"),
    ],
)
def test_a_duration_has_two_units_while_it_is_short(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_a_table_carries_what_was_asked_of_its_objects() -> None:
    columns = [NAME, Column("Replicas", "integer", path_cell(".spec.replicas", "integer"))]
    for include, kind in (("Metadata", "PartialObjectMetadata"), ("Object", None), ("None", None)):
        rows = table(columns, [OBJECT], {}, include)["rows"]
        assert rows[0]["cells"] == ["a", 2]
        carried = rows[0]["object"]
        assert (carried is None) is (include == "None")
        if carried:
            assert carried.get("kind") == kind
            assert carried["metadata"]["name"] == "a"
