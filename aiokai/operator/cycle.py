"""The cycle loop: when to decide, and what to do with what was decided.

A cycle starts when something changed, coalesced for a few milliseconds and no sooner after the last one than that one
took, and at least once a period. The decision itself runs in one thread, the session thread, on copies; meanwhile the
main loop takes in events, so that each gang's decision is checked against what has changed since, and carried out
whole or dropped.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

from aiokai.model.configuration import Configuration
from aiokai.operator.dispatch import Dispatcher
from aiokai.operator.metrics import Metrics
from aiokai.operator.observed import Cluster
from aiokai.scheduler import Memo, schedule
from aiokai.session.decisions import Decisions

log = logging.getLogger(__name__)

STUCK_AFTER_S: Final = 60.0
"""A cycle that has not ended after so long will not."""


class CycleLoop:
    """Decides whenever there is something to decide."""

    def __init__(
        self,
        cluster: Cluster,
        dispatcher: Dispatcher,
        metrics: Metrics,
        session_thread: ThreadPoolExecutor,
        configuration: Callable[[], Configuration],
    ) -> None:
        self.number = 0
        self._cluster = cluster
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._session_thread = session_thread
        self._configuration = configuration
        self._changed = asyncio.Event()
        self._began_s: float | None = None
        self._memo: Memo | None = None

    def wake(self) -> None:
        """Something has changed that a decision may depend on."""
        self._changed.set()

    @property
    def trouble(self) -> str | None:
        """What keeps cycles from ending, if something does."""
        if self._began_s is None or asyncio.get_running_loop().time() - self._began_s < STUCK_AFTER_S:
            return None
        return f"cycle {self.number} has not ended after {STUCK_AFTER_S:.0f} s"

    async def run(self) -> None:
        """Run cycles until cancelled. An unforeseen error ends its cycle, not the loop."""
        took_s = 0.0
        while True:
            await self._until_due(took_s)
            self._changed.clear()
            self.number += 1
            began_s = self._began_s = asyncio.get_running_loop().time()
            try:
                await self._cycle()
            except Exception:
                log.exception("cycle %d failed", self.number)
                self._metrics.cycle_failures.inc()
                self._memo = None
            self._began_s = None
            took_s = asyncio.get_running_loop().time() - began_s
            self._metrics.cycle_duration_s.observe(took_s)
            self._metrics.measurements.last_cycle_s = took_s

    async def _until_due(self, last_took_s: float) -> None:
        """Wait for a change, at most a period, then for those that come along with it."""
        timing = self._configuration().cycle
        try:
            async with asyncio.timeout(timing.period):
                await self._changed.wait()
        except TimeoutError:
            return
        await asyncio.sleep(max(timing.coalesce, last_took_s))

    async def _cycle(self) -> None:
        # 1. Copy what is known now; the session thread reads nothing else.
        cache = self._cluster.cache
        snapshot, ledger = cache.snapshot(datetime.now(UTC))
        # 2. Decide, while the main loop goes on.
        loop = asyncio.get_running_loop()
        session_began_s = loop.time()
        decisions: Decisions
        decisions, self._memo = await loop.run_in_executor(
            self._session_thread, schedule, snapshot, ledger, self._configuration().profile, self._memo
        )
        self._metrics.session_duration_s.observe(loop.time() - session_began_s)
        self._metrics.measurements.decided(snapshot, ledger, decisions)
        # 3. Carry out each gang's decision that is still true, in the order in which they were decided.
        for decision in decisions.gangs:
            # Another configuration means another Cache, whose rows are not those of the snapshot.
            if cache is not self._cluster.cache or not cache.is_current(snapshot, decision):
                self._metrics.gangs_stale.inc()
                self.wake()
                continue
            for bind in decision.binds:
                cache.assume(bind)
            self._dispatcher.carry_out(self.number, decision)
        self._dispatcher.end_cycle(decisions)
