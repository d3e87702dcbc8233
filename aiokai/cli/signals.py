"""Ctrl-C and SIGTERM end a program in order: its main task is cancelled, and cleans up."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


def run_until_told(main: Coroutine[Any, Any, T]) -> T | None:
    """Run `main` in a loop of its own.

    Returns: what `main` does; None if it was told to stop.
    """
    return uvloop.run(_cancellable(main))


async def _cancellable(main: Coroutine[Any, Any, T]) -> T | None:
    work = asyncio.ensure_future(main)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        return None
