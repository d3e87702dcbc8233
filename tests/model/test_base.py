"""Numbers that no array can hold are refused where an object is read, so that they stop nobody else."""

import json
from typing import Any

import pytest

from aiokai.dialects import AIOKAI
from aiokai.errors import InvalidObjectError
from aiokai.model.quantity import parse_quantity, quantity_to_base


@pytest.mark.parametrize(
    ("kind", "spec", "path"),
    [
        (AIOKAI.queue, {"capability": {"cpu": "9999999E"}}, "spec.capability.cpu"),
        (AIOKAI.queue, {"guarantee": {"memory": "1e999999999"}}, "spec.guarantee.memory"),
        (AIOKAI.queue, {"priority": 2**40}, "spec.priority"),
        (AIOKAI.pod_group, {"minMember": 2**40}, "spec.minMember"),
        (AIOKAI.pod_group, {"minTaskMember": {"worker": 2**40}}, "spec.minTaskMember.worker"),
        (AIOKAI.pod_group, {"subGroups": [{"name": "a", "minMember": 2**31}]}, "spec.subGroups[0].minMember"),
        (AIOKAI.pod_group, {"minResources": {"nvidia.com/gpu": "8E"}}, "spec.minResources.nvidia.com/gpu"),
    ],
)
def test_what_no_array_holds_is_refused_by_its_path(kind: Any, spec: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidObjectError) as caught:
        kind.decode(json.dumps({"metadata": {"name": "x"}, "spec": spec}).encode())
    assert caught.value.path == path


def test_a_status_that_no_array_holds_counts_as_unwritten() -> None:
    group = AIOKAI.pod_group.decode(json.dumps({"metadata": {"name": "x"}, "status": {"pending": 2**40}}).encode())
    assert group.status.pending == 0


def test_four_exbibytes_of_memory_are_too_much_and_petabytes_are_not() -> None:
    assert quantity_to_base("memory", "900Pi") == 900 * 2**50
    with pytest.raises(ValueError, match="too large"):
        quantity_to_base("memory", "4Ei")


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "1E100000"])
def test_an_exponent_beyond_reason_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        parse_quantity(text)
