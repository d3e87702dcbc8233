"""Queues get what they deserve, then what is left by weight; who has least of its share is served first.

The division is KAI's (reference/kai.md §3), level by level down the queue tree; the order is that of §2.2.
"""

import numpy as np

from aiokai.kernels.divide import divide_share
from aiokai.model.pod_group import GangPhase
from aiokai.snapshot.arrays import GPU_COLUMN, I64, Ledger, Snapshot, TaskState
from aiokai.snapshot.derive import PHASE_CODES, roll_up

_FAR = 10**12
_TOP = -1


class FairShare:
    def entitle(self, snapshot: Snapshot, ledger: Ledger) -> I64:
        """[Q, R] fair shares: children divide what their parent has, top queues what the cluster has."""
        queues, total = snapshot.facts.queues, np.maximum(snapshot.total, 0)
        request = np.minimum(demand(snapshot, ledger), queues.capability)
        for row in queues.order[::-1]:
            if (parent := queues.parent[row]) >= 0:
                request[parent] = np.minimum(request[queues.parent == parent].sum(axis=0), queues.capability[parent])
        fair = np.zeros_like(request)
        for parent in (_TOP, *queues.order.tolist()):
            children = np.array([row for row in queues.order if queues.parent[row] == parent], np.int64)
            if not len(children):
                continue
            pot = total if parent == _TOP else fair[parent]
            protected = np.maximum(queues.deserved[children], queues.guarantee[children])
            for r in range(len(total)):
                shares = np.zeros(len(children), np.int64)
                divide_share(
                    int(pot[r]), 1000 if r == GPU_COLUMN else 1,
                    np.minimum(protected[:, r], total[r]),
                    queues.weight[children], queues.priority[children], queues.rank[children],
                    np.ascontiguousarray(request[children, r]), np.empty((2, len(children)), np.int64), shares,
                )  # fmt: skip
                fair[children, r] = shares
        return fair

    def queue_key(self, snapshot: Snapshot, entitled: I64, queue: int, used: I64, charge: I64) -> tuple[int, ...]:
        """Not over its fair share; below deserved; priority; smaller dominant share with the gang, then without it."""
        queues = snapshot.facts.queues
        over, counts, starved, with_gang, without = True, False, True, 0, 0
        for fair, deserved, most, now, more in zip(
            entitled[queue].tolist(), queues.deserved[queue].tolist(), queues.capability[queue].tolist(),
            used.tolist(), charge.tolist(), strict=True,
        ):  # fmt: skip
            share = min(most, max(deserved, fair))
            starved = starved and now + more <= deserved
            with_gang, without = max(with_gang, _part(now + more, share)), max(without, _part(now, share))
            if now > 0 or fair > 0:
                counts, over = True, over and now > fair
        return (int(over and counts), int(not starved), -int(queues.priority[queue]), with_gang, without)


def demand(snapshot: Snapshot, ledger: Ledger) -> I64:
    """[Q, R] what each leaf uses and waits for; of a gang whose pods do not exist yet, its minimum."""
    facts = snapshot.facts
    waiting = np.zeros_like(facts.queues.capability)
    tasks, gangs = facts.tasks, facts.gangs
    pending = (tasks.gang >= 0) & (ledger.task_state == TaskState.PENDING) & (tasks.obstacle == 0)
    pending[pending] = gangs.queue[tasks.gang[pending]] >= 0
    np.add.at(waiting, gangs.queue[tasks.gang[pending]], facts.classes.charge[tasks.of_class[pending]])
    without_pods = gangs.live & (gangs.queue >= 0) & (gangs.obstacle == 0)
    without_pods &= gangs.written[:, 0] != PHASE_CODES[GangPhase.COMPLETED]
    without_pods[tasks.gang[tasks.gang >= 0]] = False
    np.add.at(waiting, gangs.queue[without_pods], gangs.min_charge[without_pods])
    return roll_up(waiting, facts.queues) + ledger.queue_planned


def _part(used: int, share: int) -> int:
    """In millionths; what is used without any share counts as very much."""
    return used * 1_000_000 // share if share > 0 else (_FAR if used > 0 else 0)
