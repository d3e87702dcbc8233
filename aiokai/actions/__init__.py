"""The actions, by the name used in a configuration. Each is one function and one rule for spending the session."""

from collections.abc import Callable, Mapping

from aiokai.actions.allocate import allocate
from aiokai.actions.backfill import backfill
from aiokai.actions.enqueue import enqueue
from aiokai.session.session import Session

ACTIONS: Mapping[str, Callable[[Session], None]] = {"enqueue": enqueue, "allocate": allocate, "backfill": backfill}
