"""Divide what there is among the queues of one parent, per resource.

Source: reference/kai.md §3. Deserved first; the rest by weight to those who still want something, group by group of
priority; whole units (a GPU is one, as are a millicore and a byte) by largest remainder. All of it on integers: bytes
times weights leave 64 bits, so quotient and rest are multiplied apart, and fractions are kept as their numerators.
"""

from aiokai.kernels.jit import kernel
from aiokai.snapshot.arrays import I32, I64


@kernel
def divide_share(
    total: int,
    unit: int,
    deserved: I64,
    weight: I64,
    priority: I32,
    rank: I32,
    request: I64,
    scratch: I64,
    out: I64,
) -> None:
    """Divide `total` among queues [Q], none above its `request`: `out` [Q] gets the shares, `scratch` [2, Q] is lost.

    Shares beyond deserved are whole multiples of `unit`, but for what completes a request. They sum to
    min(total, requests), or to what is deserved where that is more than the total.
    """
    left = total
    for q in range(out.shape[0]):
        out[q] = min(deserved[q], request[q])
        left -= out[q]
    remainder, whole = scratch[0], scratch[1]
    remainder[:], whole[:] = 0, 1
    group = _highest_below(priority, -1)
    while left > 0 and group >= 0:
        left = _by_weight(left, unit, priority[group], weight, priority, request, out, remainder, whole)
        group = _highest_below(priority, group)
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
def _highest_below(priority: I32, other: int) -> int:
    """A queue of the next lower priority than that of `other`, of the highest if that is -1; -1 if there is none."""
    best = -1
    for q in range(priority.shape[0]):
        if (other < 0 or priority[q] < priority[other]) and (best < 0 or priority[q] > priority[best]):
            best = q
    return best


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
