"""Statuses, conditions and Events go out after everything else: newest per object, few at once.

A write that waits is replaced by a newer one for the same object, so that a status that changes in every cycle costs
one write when there is time for it. While Bindings are in flight two writers work, else a dozen.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from itertools import islice
from typing import Final

from aiokai.errors import AiokaiError, ConflictError, NotFoundError, ThrottledError, UnavailableError

log = logging.getLogger(__name__)

WRITERS: Final = 12
WRITERS_WHILE_BINDING: Final = 2
RETRY_S: Final = 1.0

Write = Callable[[], Awaitable[None]]


class LowPriorityWrites:
    """Carries out one write per key at a time, the newest."""

    def __init__(self, is_binding: Callable[[], bool]) -> None:
        self._is_binding = is_binding
        self._waiting: dict[Hashable, Write] = {}
        self._running: dict[Hashable, asyncio.Task[None]] = {}
        self._retry: asyncio.TimerHandle | None = None

    def submit(self, key: Hashable, write: Write) -> None:
        """Have `write` called when there is time, in place of what still waits under `key`."""
        self._waiting[key] = write
        self._fill()

    async def stop(self, limit_s: float) -> None:
        """Give what runs and waits `limit_s` seconds; the rest is found to differ and written after the next start."""
        deadline = asyncio.get_running_loop().time() + limit_s
        while self._running and (left_s := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._running.values(), timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        self._waiting.clear()
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        if self._retry is not None:
            self._retry.cancel()

    def _fill(self) -> None:
        free = (WRITERS_WHILE_BINDING if self._is_binding() else WRITERS) - len(self._running)
        if free <= 0:
            return
        for key in list(islice((key for key in self._waiting if key not in self._running), free)):
            self._running[key] = asyncio.create_task(self._run(key, self._waiting.pop(key)))

    async def _run(self, key: Hashable, write: Write) -> None:
        try:
            await write()
        except (NotFoundError, ConflictError):
            pass  # the object is gone, or is another one now
        except (UnavailableError, ThrottledError) as error:
            log.warning("writing %s failed, again soon: %s", key, error)
            self._waiting.setdefault(key, write)
            self._retry = asyncio.get_running_loop().call_later(error.retry_after_s or RETRY_S, self._fill)
            return
        except AiokaiError as error:
            log.warning("writing %s was refused: %s", key, error)
        finally:
            del self._running[key]
        self._fill()
