"""How many requests may be in flight, found by watching how long they take.

An API server answers about as many writes a second with 32 in flight as with 128, only slower; which number is enough
depends on the server. So the limit grows by a step while answers come as fast as they ever did, and shrinks by a
quarter once they take twice as long (additive increase, multiplicative decrease).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

LEAST: Final = 16
MOST: Final = 128
STEP: Final = 8
SLOW: Final = 2.0
"""Answers that take so many times the best are slow."""
WINDOW: Final = 32
"""Answers that are looked at together."""
FORGETTING: Final = 1.02
"""Growth of the best per window: a server that has become slower for good is the new measure after a while."""


class AdaptiveLimit:
    """Lets so many bodies of `async with limit.slot():` run at once as the latency of their answers allows."""

    def __init__(self) -> None:
        self.current = 2 * LEAST
        self.in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._latencies: list[float] = []
        self._best_s = float("inf")

    @property
    def is_idle(self) -> bool:
        return self.in_flight == 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a free slot, first come first served, and measure how long the body takes."""
        loop = asyncio.get_running_loop()
        while self.in_flight >= self.current:
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                self._wake()
                raise
        self.in_flight += 1
        began = loop.time()
        try:
            yield
        finally:
            self.in_flight -= 1
            self.observe(loop.time() - began)
            self._wake()

    def observe(self, latency_s: float) -> None:
        """Take one answer's latency into account; the limit moves once a window."""
        self._latencies.append(latency_s)
        if len(self._latencies) < WINDOW:
            return
        typical = sorted(self._latencies)[WINDOW // 2]
        self._latencies.clear()
        self._best_s = min(self._best_s * FORGETTING, typical)
        if typical > SLOW * self._best_s:
            self.current = max(LEAST, self.current * 3 // 4)
        else:
            self.current = min(MOST, self.current + STEP)

    def _wake(self) -> None:
        free = self.current - self.in_flight
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
