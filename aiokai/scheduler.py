"""One scheduling cycle as a pure function: equal inputs, equal decisions, with or without the memo.

No I/O, no clock, no log, no random number here or below: now is `snapshot.now`, and what would be logged is returned.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from aiokai.actions import ACTIONS
from aiokai.kernels.divide import divide_share
from aiokai.kernels.fit import memory_on
from aiokai.kernels.ledger import close_log
from aiokai.kernels.place import lacks_devices
from aiokai.model import kube
from aiokai.model.configuration import Configuration, Profile
from aiokai.plugins import make_plugins
from aiokai.session.decisions import Decisions
from aiokai.session.report import report
from aiokai.session.session import Memo, Session
from aiokai.snapshot.arrays import Ledger, Snapshot
from aiokai.snapshot.cache import Cache

__all__ = ["Memo", "schedule", "warm_up"]


def schedule(snapshot: Snapshot, ledger: Ledger, profile: Profile, memo: Memo | None = None) -> tuple[Decisions, Memo]:
    """Run the profile's actions on a snapshot.

    Args:
        snapshot: what is; not changed.
        ledger: the numbers of this cycle; used up.
        profile: which actions and plugins.
        memo: what the last cycle returned, to save work; None at first.

    Raises:
        ConfigError: the profile names a plugin that nobody knows.
    """
    memo = Memo() if memo is None else memo
    session = Session(snapshot, ledger, profile, make_plugins(profile), memo)
    if "enqueue" not in profile.actions:
        session.admitted[:] = True
    for name in profile.actions:
        ACTIONS[name](session)
    return report(session), memo


def warm_up(progress: Callable[[str, int, int], None] | None = None) -> None:
    """Compile or load every kernel, so that no cycle has to wait for it.

    Args:
        progress: told the kernel, its place and how many there are, before each.
    """
    cache = Cache(Configuration())
    cache.apply_node(
        kube.Node(kube.ObjectMeta(name="warm-up"), kube.NodeSpec(), kube.NodeStatus({"cpu": "1", "pods": "1"}))
    )
    cache.apply_pod(kube.Pod(kube.ObjectMeta(name="warm-up", uid="warm-up"), kube.PodSpec(scheduler_name="aiokai")))
    snapshot, ledger = cache.snapshot(datetime(2026, 1, 1, tzinfo=UTC))
    session = Session(snapshot, ledger, Profile(), [], Memo())
    table, kind = session.table, int(snapshot.facts.tasks.of_class[0])
    one, out = np.ones(1, np.int64), np.zeros(len(snapshot.nodes), np.bool_)
    session.prepare([0])
    statement = session.statement()
    steps: list[tuple[str, Callable[[], object]]] = [
        ("place", lambda: statement.place([0])),
        ("rollback", lambda: statement.rollback(0)),
        ("evict", lambda: statement.evict([])),
        ("close_log", lambda: close_log(table.journal)),
        ("lacks_devices", lambda: lacks_devices(snapshot.facts, ledger, kind, out, table.trees.scratch)),
        ("memory_on", lambda: memory_on(1, 1)),
        (
            "divide_share",
            lambda: divide_share(
                1, 1, one, one, np.ones(1, np.int32), np.ones(1, np.int32), one, np.ones((2, 1), np.int64), one.copy()
            ),
        ),
    ]
    for i, (name, compiled) in enumerate(steps):
        if progress is not None:
            progress(name, i, len(steps))
        compiled()
