"""The one place where numba's options and the kernels' cache are chosen.

A cached kernel does not notice an edit to a helper in another file, so the cache folder is named by a hash of all
kernel sources and of the records they take. It lies in `$AIOKAI_CACHE`, else in the user's cache folder.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def cache_folder() -> Path:
    """Where this version's compiled kernels are kept."""
    base = os.environ.get("AIOKAI_CACHE")
    home = Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aiokai"
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for source in (*sorted(here.glob("*.py")), here.parent / "snapshot" / "arrays.py"):
        digest.update(source.read_bytes())
    return home / f"kernels-{digest.hexdigest()[:16]}"


if TYPE_CHECKING:

    def kernel(fn: Callable[P, R]) -> Callable[P, R]: ...
else:
    import numba

    numba.config.CACHE_DIR = str(cache_folder())
    kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
