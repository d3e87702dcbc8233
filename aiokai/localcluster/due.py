"""Keys of objects whose status is due: many changes in a moment lead to one look at each."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NoReturn

from aiokai.localcluster.objects import Key
from aiokai.localcluster.status import Refusal

_log = logging.getLogger(__name__)

_PAUSE_S: Final = 0.02


class Due:
    """Calls `look` for each key that was added, a moment later."""

    def __init__(self, kind: str, look: Callable[[Key], None]) -> None:
        self._kind = kind
        self._look = look
        self._keys: set[Key] = set()
        self._woken = asyncio.Event()

    def add(self, key: Key) -> None:
        self._keys.add(key)
        self._woken.set()

    async def run(self) -> NoReturn:
        """Look until cancelled. What is refused is left alone until it is due again."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            keys, self._keys = self._keys, set()
            for key in sorted(keys):
                try:
                    self._look(key)
                except Refusal as refusal:
                    _log.info("left %s %s alone: %s", self._kind, key, refusal.message)
            await asyncio.sleep(_PAUSE_S)
