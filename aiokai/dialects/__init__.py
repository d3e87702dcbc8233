"""Every dialect by its name in the configuration, and what a configuration makes ours."""

from collections.abc import Mapping
from typing import Final

from aiokai.dialects.aiokai import AIOKAI
from aiokai.dialects.dialect import Dialect, DialectKind, PodKeys
from aiokai.dialects.volcano import VOLCANO
from aiokai.model.configuration import Configuration

__all__ = ["AIOKAI", "DIALECTS", "VOLCANO", "Dialect", "DialectKind", "PodKeys", "owns_unnamed"]

DIALECTS: Final[Mapping[str, Dialect]] = {dialect.name: dialect for dialect in (AIOKAI, VOLCANO)}


def owns_unnamed(configuration: Configuration, dialect: str) -> bool:
    """Whether what names no scheduler (Queues, PodGroups without a pod) is ours to write to.

    It belongs to whoever schedules under the system's own name. Beside a running Volcano, aiokai takes Jobs and pods
    that say `schedulerName: aiokai-volcano`, and leaves the queues' numbers to Volcano.
    """
    return configuration.dialect_of(DIALECTS[dialect].scheduler_name) == dialect
