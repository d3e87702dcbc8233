"""Kernels made ready before a command needs them, with a line on stderr where that takes long."""

import sys
import time
from typing import Final

QUIET_S: Final = 1.0
"""From the cache all kernels are there sooner."""


def prepare_kernels() -> None:
    """Compile or load all kernels; people are told when they are compiled, which only the first time they are."""
    from aiokai.scheduler import warm_up

    began = time.monotonic()
    told = False

    def progress(name: str, done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - began < QUIET_S:
            return
        told = True
        line = f"compiling kernels (only the first time) {done + 1}/{total}: {name}"
        print(f"\r\033[K{line}" if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n",
              file=sys.stderr, flush=True)  # fmt: skip

    warm_up(progress)
    if told and sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
