"""How many requests may be in flight, found by watching how long they take.

A healthy API server answers more writes a second the more are in flight, up to a hundred and more, each then taking
some 80 ms; one that is in trouble only takes longer. So the limit grows by a step while answers come within a tenth of
a second, and shrinks by a quarter when they take a quarter of one (additive increase, multiplicative decrease). To
compare with the best latency so far instead was tried: it is measured with few in flight, and then keeps them few.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

LEAST: Final = 16
MOST: Final = 128
STEP: Final = 8
FAST_S: Final = 0.1
SLOW_S: Final = 0.25
WINDOW: Final = 32
"""Answers that are looked at together; their median counts."""


class AdaptiveLimit:
    """Lets so many bodies of `async with limit.slot():` run at once as the latency of their answers allows."""

    def __init__(self) -> None:
        self.current = 2 * LEAST
        self.in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._latencies: list[float] = []

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
        typical_s = sorted(self._latencies)[WINDOW // 2]
        self._latencies.clear()
        if typical_s > SLOW_S:
            self.current = max(LEAST, self.current * 3 // 4)
        elif typical_s < FAST_S:
            self.current = min(MOST, self.current + STEP)

    def _wake(self) -> None:
        free = self.current - self.in_flight
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
