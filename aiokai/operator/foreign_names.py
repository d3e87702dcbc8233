"""The systems whose names of metrics can be served beside ours."""

from collections.abc import Mapping
from typing import Final

from aiokai.dialects.figures import ForeignNames
from aiokai.dialects.kai_figures import KAI_NAMES
from aiokai.dialects.volcano_figures import VOLCANO_NAMES

FOREIGN_NAMES: Final[Mapping[str, ForeignNames]] = {"volcano": VOLCANO_NAMES, "kai": KAI_NAMES}
