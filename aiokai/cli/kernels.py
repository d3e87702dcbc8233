"""Kernels made ready before a command needs them, with a line on stderr where that takes long."""

import sys
import time
from functools import cache
from typing import Final

LOADING_S: Final = 10.0
"""So long kernels that are in the cache may take to load, on a busy machine, before people are told."""


@cache
def prepare_kernels() -> None:
    """Compile or load all kernels, once; people are told when they are compiled, which only the first time they are."""
    from aiokai.kernels.jit import cache_folders
    from aiokai.scheduler import warm_up

    cached = any(any(folder.glob("*.nbi")) for folder in cache_folders())
    quiet_s = LOADING_S if cached else 0.0
    began = time.monotonic()
    told = False

    def progress(name: str, done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - began < quiet_s:
            return
        told = True
        line = f"compiling kernels (only the first time) {done + 1}/{total}: {name}"
        print(f"\r\033[K{line}" if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n",
              file=sys.stderr, flush=True)  # fmt: skip

    warm_up(progress)
    if told and sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
