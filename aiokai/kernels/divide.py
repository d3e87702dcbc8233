"""Divide what there is among the queues of one parent, per resource.

Source: reference/kai.md §3. Deserved first; the rest by weight to those who still want something, group by group of
priority; whole units (a GPU is one, as are a millicore and a byte) by largest remainder. Floats occur only here.
"""

import numpy as np

from aiokai.kernels.jit import kernel
from aiokai.snapshot.arrays import F64, I32, I64


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
    remainder = np.zeros(out.shape[0], np.float64)
    served = np.zeros(out.shape[0], np.bool_)
    while left > 0:
        group = -1
        for q in range(out.shape[0]):
            if not served[q] and (group < 0 or priority[q] > priority[group]):
                group = q
        if group < 0:
            break
        left = _by_weight(left, unit, priority[group], weight, priority, request, out, remainder)
        for q in range(out.shape[0]):
            served[q] = served[q] or priority[q] == priority[group]
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
        remainder[best] -= 1.0


@kernel
def _by_weight(
    left: int, unit: int, level: int, weight: I64, priority: I32, request: I64, out: I64, remainder: F64
) -> int:
    """Rounds within one priority until nobody there needs less than its share; returns what is left."""
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
            if (request[q] - out[q]) * weights <= pot * weight[q]:
                left -= request[q] - out[q]
                out[q] = request[q]
                satisfied = True
        if satisfied:
            continue
        for q in range(out.shape[0]):
            if priority[q] == level and out[q] < request[q]:
                exact = pot * (weight[q] / weights) / unit
                whole = int(np.floor(exact + 1e-9))
                out[q] += whole * unit
                left -= whole * unit
                remainder[q] = exact - whole
        return left
    return left


@kernel
def _comes_first(q: int, other: int, priority: I32, remainder: F64, rank: I32) -> bool:
    if priority[q] != priority[other]:
        return priority[q] > priority[other]
    if abs(remainder[q] - remainder[other]) > 1e-9:
        return remainder[q] > remainder[other]
    return rank[q] < rank[other]
