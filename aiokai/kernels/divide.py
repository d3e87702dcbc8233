"""Divide what there is among the queues of one parent, per resource.

Source: reference/kai.md §3. Deserved first; the rest by weight to those who still want something, group by group of
priority; whole units (a GPU is one, as are a millicore and a byte) by largest remainder. All of it on integers: bytes
times weights leave 64 bits, so quotient and rest are multiplied apart, and fractions are kept as their numerators.
"""

import numpy as np

from aiokai.kernels.jit import kernel
from aiokai.snapshot.arrays import I32, I64


@kernel
def divide_share(
    total: int, unit: int, deserved: I64, weight: I64, priority: I32, rank: I32, request: I64, out: I64
) -> None:
    """Divide `total` among queues [Q], none above its `request`; `out` [Q] gets the shares.

    Shares beyond deserved are whole multiples of `unit`, but for what completes a request. They sum to
    min(total, requests), or to what is deserved where that is more than the total.
    """
    left = total
    for q in range(out.shape[0]):
        out[q] = min(deserved[q], request[q])
        left -= out[q]
    remainder, whole = np.zeros(out.shape[0], np.int64), np.ones(out.shape[0], np.int64)
    served = np.zeros(out.shape[0], np.bool_)
    while left > 0:
        group = -1
        for q in range(out.shape[0]):
            if not served[q] and (group < 0 or priority[q] > priority[group]):
                group = q
        if group < 0:
            break
        left = _by_weight(left, unit, priority[group], weight, priority, request, out, remainder, whole)
        level = priority[group]
        for q in range(out.shape[0]):
            served[q] = served[q] or priority[q] == level
    while left > 0:
        best = -1
        for q in range(out.shape[0]):
            if out[q] < request[q] and weight[q] > 0 and (best < 0 or _comes_first(q, best, priority, remainder, rank)):
                best = q
        if best < 0:
            break
        more = min(unit, left, request[best] - out[best])
        out[best] += more
        left -= more
        remainder[best] -= whole[best]


@kernel
def _by_weight(
    left: int,
    unit: int,
    level: int,
    weight: I64,
    priority: I32,
    request: I64,
    out: I64,
    remainder: I64,
    whole: I64,
) -> int:
    """Rounds within one priority until nobody there needs less than its share; returns what is left.

    What is lost by rounding down is `remainder` of `whole` units.
    """
    while left > 0:
        weights, satisfied, pot = 0, False, left
        for q in range(out.shape[0]):
            if priority[q] == level and out[q] < request[q]:
                weights += weight[q]
        if weights == 0:
            return left
        for q in range(out.shape[0]):
            if priority[q] != level or out[q] >= request[q] or weight[q] == 0:
                continue
            if request[q] - out[q] <= pot // weights * weight[q] + pot % weights * weight[q] // weights:
                left -= request[q] - out[q]
                out[q] = request[q]
                satisfied = True
        if satisfied:
            continue
        parts = weights * unit
        for q in range(out.shape[0]):
            if priority[q] == level and out[q] < request[q]:
                units = pot // parts * weight[q] + pot % parts * weight[q] // parts
                out[q] += units * unit
                left -= units * unit
                remainder[q], whole[q] = pot % parts * weight[q] % parts, parts
        return left
    return left


@kernel
def _comes_first(q: int, other: int, priority: I32, remainder: I64, rank: I32) -> bool:
    if priority[q] != priority[other]:
        return priority[q] > priority[other]
    if remainder[q] != remainder[other]:
        return remainder[q] > remainder[other]
    return rank[q] < rank[other]
