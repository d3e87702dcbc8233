"""Shares against a twin in exact fractions, and against what every division must keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiokai.kernels.divide import divide_share
from tests.kernels import plain

Queue = tuple[int, int, int, int]
"""Deserved, weight, priority, request."""

queues = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 4), st.integers(0, 2), st.integers(0, 20)), min_size=1, max_size=6
)


def divided(total: int, unit: int, given: list[Queue]) -> list[int]:
    deserved, weight, priority, request = (np.array(column) for column in zip(*given, strict=True))
    rank, out = np.arange(len(given), dtype=np.int32)[::-1].copy(), np.zeros(len(given), np.int64)
    scratch = np.full((2, len(given)), 7, np.int64)
    divide_share(total, unit, deserved, weight, priority.astype(np.int32), rank, request, scratch, out)
    assert out.tolist() == plain.divide(
        total, unit, deserved.tolist(), weight.tolist(), priority.tolist(), rank.tolist(), request.tolist()
    )
    return out.tolist()


@given(queues, st.integers(0, 60), st.sampled_from([1, 3]))
def test_nothing_is_lost_and_nobody_gets_more_than_it_asks_for(given: list[Queue], total: int, unit: int) -> None:
    given = [(deserved, weight + 1, priority, request) for deserved, weight, priority, request in given]
    shares = divided(total, unit, given)
    firsts = [min(deserved, request) for deserved, _, _, request in given]
    assert all(share <= request for share, (_, _, _, request) in zip(shares, given, strict=True))
    assert all(share >= first for share, first in zip(shares, firsts, strict=True))
    if sum(firsts) <= total:
        assert sum(shares) == min(total, sum(request for _, _, _, request in given))
    else:
        assert shares == firsts


@given(queues, st.integers(0, 60))
def test_whoever_has_no_weight_borrows_nothing(given: list[Queue], total: int) -> None:
    for share, (deserved, weight, _, request) in zip(divided(total, 1, given), given, strict=True):
        if weight == 0:
            assert share == min(deserved, request)


@given(queues, st.integers(0, 60), st.integers(2, 5))
def test_what_is_lent_comes_in_whole_units_unless_it_completes_a_request(
    given: list[Queue], total: int, unit: int
) -> None:
    shares = divided(total * unit, unit, given)
    odd = [
        share
        for share, (deserved, _, _, request) in zip(shares, given, strict=True)
        if share != request and (share - min(deserved, request)) % unit
    ]
    assert len(odd) <= 1, "only the last unit may be a part of one, when deserved shares leave no whole number"


@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), st.integers(0, 30))
def test_a_higher_priority_is_filled_before_a_lower_one_gets_more_than_what_rounding_leaves(
    weights: list[int], total: int
) -> None:
    given = [(0, weight, priority, 10) for priority, weight in enumerate(weights)]
    shares = divided(total, 1, given)
    expected, left = [], total
    for _ in given:
        expected.append(min(left, 10))
        left -= expected[-1]
    assert shares[::-1] == expected


def test_the_example_of_kai_gives_seven_and_three() -> None:
    older_first, out = np.array([0, 1], np.int32), np.zeros(2, np.int64)
    two, same, ten = np.array([2000, 2000]), np.zeros(2, np.int32), np.array([10_000, 10_000])
    scratch = np.zeros((2, 2), np.int64)
    divide_share(10_000, 1000, two, np.array([3, 1]), same, older_first, ten, scratch, out)
    assert out.tolist() == [7000, 3000]


@pytest.mark.parametrize("weight", [1, 65535])
def test_a_large_cluster_is_divided_without_overflow(weight: int) -> None:
    total = 5000 * 2**41
    given = [(0, weight, 0, total)] * 7
    shares = divided(total, 1, given)
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1
