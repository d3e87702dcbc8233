"""The one place where numba's options and the kernels' cache are chosen.

Compiled kernels are looked for in two folders: those that came with an image (`$AIOKAI_KERNELS`, never written to),
and the cache of whoever runs this (`$AIOKAI_CACHE`, else the user's cache folder). A cache saves time and nothing else:
what cannot be read, does not fit this processor or cannot be written down is compiled again at the next start.

A cached kernel does not notice an edit to a helper in another file, so the folder inside is named by a hash of all
kernel sources and of the records they take.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def cache_folders() -> tuple[Path, ...]:
    """Where this version's compiled kernels are looked for, in this order; they are written to the last."""
    bases = [Path(ready)] if (ready := os.environ.get("AIOKAI_KERNELS")) else []
    if own := _own_base():
        bases.append(own)
    return tuple(base / _version() for base in bases)


def _own_base() -> Path | None:
    """The cache of whoever runs this; None for a user of whom the system knows no home."""
    if named := os.environ.get("AIOKAI_CACHE"):
        return Path(named)
    if caches := os.environ.get("XDG_CACHE_HOME"):
        return Path(caches) / "aiokai"
    try:
        return Path.home() / ".cache" / "aiokai"
    except RuntimeError:
        return None


def _version() -> str:
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for source in (*sorted(here.glob("*.py")), here.parent / "snapshot" / "arrays.py"):
        digest.update(source.read_bytes())
    return f"kernels-{digest.hexdigest()[:16]}"


if TYPE_CHECKING:

    def kernel(fn: Callable[P, R]) -> Callable[P, R]: ...
else:
    import numba

    from aiokai.kernels.kernel_cache import KernelCache

    _FOLDERS = cache_folders()

    def kernel(fn):
        """Have `fn` compiled when it is first called with arguments of new types."""
        # Without NRT no references to arrays are counted: with it each call counted some seventy, and placing a task
        # took 8 µs in place of 0.7 (measured 2026-11). In return a kernel allocates nothing; callers bring the room.
        compiled = numba.njit(nogil=True, error_model="numpy", _nrt=False)(fn)
        if compiled is not fn:  # as it is with NUMBA_DISABLE_JIT
            compiled._cache = KernelCache(fn, _FOLDERS)
        return compiled
