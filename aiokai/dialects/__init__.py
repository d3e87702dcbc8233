"""Every dialect by its name in the configuration."""

from collections.abc import Mapping
from typing import Final

from aiokai.dialects.aiokai import AIOKAI
from aiokai.dialects.dialect import Dialect, DialectKind, PodKeys

__all__ = ["AIOKAI", "DIALECTS", "Dialect", "DialectKind", "PodKeys"]

DIALECTS: Final[Mapping[str, Dialect]] = {AIOKAI.name: AIOKAI}
