"""Compiled kernels in several folders, which numba's own cache cannot do.

numba takes the first folder that it can write to, so that it would pass over the ready-made kernels of an image whose
file system is read-only; and it lets an unreadable or half-written file end the program. Nothing here ever does.
"""

# mypy: allow-untyped-calls

import contextlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from numba.core.caching import Cache, CompileResultCacheImpl, _Cache, _CacheLocator


class KernelCache(_Cache):
    """Reads from the first folder that has a kernel for this processor, writes to the last."""

    def __init__(self, fn: Callable[..., Any], folders: Sequence[Path]) -> None:
        self._layers = [_FolderCache(fn, folder) for folder in folders]

    @property
    def cache_path(self) -> str:
        return os.pathsep.join(layer.cache_path for layer in self._layers)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        for layer in self._layers:
            # Whatever a broken file makes of the reading, the kernel can be compiled.
            with contextlib.suppress(Exception):
                found = layer.load_overload(sig, target_context)
                if found is not None:
                    return found
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        for layer in self._layers[-1:]:
            try:
                layer.save_overload(sig, data)
            except OSError:
                continue
            except Exception:
                layer.flush()

    def enable(self) -> None:
        for layer in self._layers:
            layer.enable()

    def disable(self) -> None:
        for layer in self._layers:
            layer.disable()

    def flush(self) -> None:
        for layer in self._layers[-1:]:
            layer.flush()


class _FolderCache(Cache):
    """numba's cache, in one folder."""

    _impl_class: Any

    def __init__(self, fn: Callable[..., Any], folder: Path) -> None:
        self._impl_class = partial(_Files, folder=folder)
        super().__init__(fn)


class _Files(CompileResultCacheImpl):
    """What a kernel is written as, and under which name."""

    def __init__(self, fn: Callable[..., Any], folder: Path) -> None:
        self._lineno = fn.__code__.co_firstlineno
        self._locator = _Locator(fn, folder)
        self._filename_base = self.get_filename_base(f"{fn.__module__}.{fn.__qualname__}", sys.abiflags)


class _Locator(_CacheLocator):
    """Where a kernel lies. Its folder is named by the sources, so that their age tells nothing more."""

    def __init__(self, fn: Callable[..., Any], folder: Path) -> None:
        self._py_file = inspect.getfile(fn)
        self._folder = folder
        self._line = fn.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return self._folder.name

    def get_disambiguator(self) -> str:
        return str(self._line)
