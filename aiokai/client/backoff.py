"""How long to wait before the next try."""

import random
from typing import Final

FIRST_S: Final = 0.25
LONGEST_S: Final = 30.0


class Backoff:
    """Delays that double from try to try."""

    def __init__(self, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def reset(self) -> None:
        """A try succeeded."""
        self._next_s = self._first_s

    def next_s(self, at_least_s: float = 0.0) -> float:
        """The delay before the next try, never below what the server asked for."""
        delay_s = jittered_s(self._next_s)
        self._next_s = min(2 * self._next_s, self._longest_s)
        return max(delay_s, at_least_s)


def jittered_s(delay_s: float) -> float:
    """The delay, shortened by up to a half, so that those who failed together do not try again together."""
    return delay_s * random.uniform(0.5, 1.0)
