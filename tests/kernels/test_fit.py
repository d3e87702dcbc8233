"""Room and cards against plain lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aiokai.kernels.fit import choose_devices, fits, memory_on
from tests.kernels import plain

amounts = st.lists(st.integers(-2, 4), min_size=3, max_size=3)


@given(amounts, amounts, amounts, st.booleans())
def test_a_task_fits_where_every_amount_it_asks_for_is_there(
    request: list[int], idle: list[int], releasing: list[int], pipeline: bool
) -> None:
    got = fits(np.array(request), np.array(idle), np.array(releasing), pipeline)
    assert got == plain.fits(request, idle, releasing, pipeline)


def test_what_is_not_asked_for_may_be_overdrawn() -> None:
    assert fits(np.array([1, 0]), np.array([1, -5]), np.array([0, 0]), False)


@st.composite
def cards(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]], list[list[int]]]:
    """Total, free and releasing of up to four cards; one with no slots is unhealthy."""
    total, free, releasing = [], [], []
    for _ in range(draw(st.integers(0, 4))):
        slots, memory = draw(st.integers(0, 3)), draw(st.sampled_from([0, 7, 10, 20]))
        card = [slots, memory, 100 if slots else 0]
        used = [draw(st.integers(0, slots)), draw(st.integers(0, memory)), draw(st.sampled_from([0, 25, 100]))]
        total.append(card)
        free.append([a - b for a, b in zip(card, used, strict=True)])
        releasing.append([draw(st.integers(-1, amount)) for amount in used])
    return total, free, releasing


asks = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([0, 1, 5, 10, -50, -100]), st.sampled_from([0, 25, 50, 100])),
    min_size=1,
    max_size=3,
).map(sorted)


@given(cards(), asks, st.booleans(), st.booleans())
def test_the_fullest_card_that_fits_is_chosen_or_the_one_that_fewest_share(
    given: tuple[list[list[int]], list[list[int]], list[list[int]]],
    wanted: list[tuple[int, int, int]],
    pipeline: bool,
    spread: bool,
) -> None:
    total, free, releasing = (np.array(part, np.int64).reshape(-1, 3) for part in given)
    rows = np.zeros((4, 3), np.int64)
    containers = np.full(4, -1, np.int32)
    for i, (container, memory, cores) in enumerate(wanted):
        rows[i], containers[i] = (1, memory, cores), container
    out = np.full(4, 7, np.int32)
    fullness = choose_devices(rows, containers, total, free, releasing, pipeline, spread, out)
    expected, chosen = plain.choose_devices(wanted, *given, pipeline, spread)
    assert fullness == expected
    assert out.tolist() == chosen + [-1] * (4 - len(chosen))


def test_cards_of_one_container_differ_and_those_of_two_may_be_one() -> None:
    total = np.array([[2, 10, 100]])
    none, out = np.zeros((1, 3), np.int64), np.zeros(2, np.int32)
    asks = np.array([[1, 5, 0], [1, 5, 0]])
    assert choose_devices(asks, np.array([0, 0], np.int32), total, total, none, False, False, out) < 0
    assert choose_devices(asks, np.array([0, 1], np.int32), total, total, none, False, False, out) >= 0
    assert out.tolist() == [0, 0]


def test_a_card_asked_for_whole_must_be_unused() -> None:
    total, free = np.array([[10, 10, 100]]), np.array([[9, 9, 100]])
    none, out = np.zeros((1, 3), np.int64), np.zeros(1, np.int32)
    container = np.zeros(1, np.int32)
    assert choose_devices(np.array([[1, 1, 100]]), container, total, free, none, False, False, out) < 0
    assert choose_devices(np.array([[1, 1, 100]]), container, total, total, none, False, False, out) >= 0


@given(st.integers(-100, 1000), st.integers(0, 10_000))
def test_a_negative_ask_is_in_per_cent_of_the_card(asked: int, card: int) -> None:
    assert memory_on(asked, card) == plain.memory_on(asked, card)
