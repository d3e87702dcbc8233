"""Keys that wait to be worked on, one worker a key.

A key that is added while its worker runs is worked on once more afterwards, however often it was added. A worker that
fails is tried again with exponential backoff; a change in the meantime ends the wait, since it may be the cure.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from aiokai.errors import AiokaiError

log = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)

FIRST_RETRY_S: Final = 0.2
LAST_RETRY_S: Final = 60.0
AT_ONCE: Final = 16


class WorkQueue(Generic[Key]):
    """Calls `work(key)` for each added key; what it returns, if anything, is when to call again, in seconds."""

    def __init__(self, work: Callable[[Key], Awaitable[float | None]], *, at_once: int = AT_ONCE) -> None:
        self._work = work
        self._slots = asyncio.Semaphore(at_once)
        self._dirty: dict[Key, asyncio.Event] = {}
        self._workers: dict[Key, asyncio.Task[None]] = {}
        self._failures: dict[Key, int] = {}

    def add(self, key: Key) -> None:
        """Have `key` worked on soon."""
        if key in self._dirty:
            self._dirty[key].set()
            return
        self._dirty[key] = asyncio.Event()
        self._dirty[key].set()
        self._workers[key] = asyncio.create_task(self._serve(key), name=f"reconcile {key}")

    async def stop(self) -> None:
        """Cancel every worker and wait until all have ended."""
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _serve(self, key: Key) -> None:
        """Work on `key` until there is nothing left to do for it."""
        dirty = self._dirty[key]
        try:
            while dirty.is_set():
                dirty.clear()
                async with self._slots:
                    again_s = await self._try(key)
                if again_s is not None:
                    await _wait(dirty, again_s)
                    dirty.set()
        finally:
            del self._dirty[key], self._workers[key]

    async def _try(self, key: Key) -> float | None:
        try:
            again_s = await self._work(key)
        except Exception as error:  # whatever is wrong with one object must not stop the others
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            delay_s: float = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0**failures)
            log.warning(
                "reconciling %s failed, again in %.1f s: %s",
                key,
                delay_s,
                error,
                exc_info=not isinstance(error, AiokaiError),
            )
            return delay_s
        self._failures.pop(key, None)
        return again_s


async def _wait(event: asyncio.Event, limit_s: float) -> None:
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        pass
