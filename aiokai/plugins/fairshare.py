"""Queues get what they deserve, then what is left by weight; who has least of its share is served first.

The division is KAI's (reference/kai.md §3), level by level down the queue tree; the order is that of §2.2.
"""

import numpy as np

from aiokai.kernels.divide import divide_share
from aiokai.snapshot.arrays import GPU_COLUMN, I64, Ledger, Snapshot, TaskState
from aiokai.snapshot.derive import roll_up

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
                    np.ascontiguousarray(request[children, r]), shares,
                )  # fmt: skip
                fair[children, r] = shares
        return fair

    def queue_key(self, snapshot: Snapshot, entitled: I64, planned: I64, queue: int, charge: I64) -> tuple[int, ...]:
        """Not over its fair share; below deserved; priority; smaller dominant share with the gang, then without it."""
        queues = snapshot.facts.queues
        used, deserved = planned[queue], queues.deserved[queue]
        share = np.minimum(queues.capability[queue], np.maximum(deserved, entitled[queue]))
        counts = (used > 0) | (entitled[queue] > 0)
        over = bool(counts.any() and (used > entitled[queue])[counts].all())
        starved = bool((used + charge <= deserved).all())
        with_gang, without = _dominant(used + charge, share), _dominant(used, share)
        return (int(over), int(not starved), -int(queues.priority[queue]), with_gang, without)


def demand(snapshot: Snapshot, ledger: Ledger) -> I64:
    """[Q, R] what each leaf uses and waits for; of a gang whose pods do not exist yet, its minimum."""
    facts = snapshot.facts
    waiting = np.zeros_like(facts.queues.capability)
    tasks, gangs = facts.tasks, facts.gangs
    pending = (tasks.gang >= 0) & (ledger.task_state == TaskState.PENDING) & (tasks.obstacle == 0)
    pending[pending] = gangs.queue[tasks.gang[pending]] >= 0
    np.add.at(waiting, gangs.queue[tasks.gang[pending]], facts.classes.charge[tasks.of_class[pending]])
    without_pods = gangs.live & (gangs.queue >= 0) & (gangs.obstacle == 0)
    without_pods[tasks.gang[tasks.gang >= 0]] = False
    np.add.at(waiting, gangs.queue[without_pods], gangs.min_charge[without_pods])
    return roll_up(waiting, facts.queues) + ledger.queue_planned


def _dominant(used: I64, share: I64) -> int:
    """The largest share of any resource, in millionths; what is used without any share counts as very much."""
    pairs = zip(used.tolist(), share.tolist(), strict=True)
    return max((u * 1_000_000 // s if s > 0 else (_FAR if u > 0 else 0) for u, s in pairs), default=0)
