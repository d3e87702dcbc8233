"""Does a task fit a node? Whole amounts on exact integers, and named devices.

Free means free now (`pipeline` False), or free once what is being released is gone and what is pipelined has come.
"""

from aiokai.kernels.jit import kernel
from aiokai.snapshot.arrays import CORES, DEVICE_MEMORY, I32, I64, SLOTS


@kernel
def fits(request: I64, idle: I64, releasing: I64, pipeline: bool) -> bool:
    """True if a node with `idle` and `releasing` [R] has room for `request` [R].

    What is pipelined makes `releasing` negative, and so keeps even idle room for those who wait for it. A resource that
    is not asked for may be overdrawn.
    """
    for r in range(request.shape[0]):
        if request[r] > 0 and (request[r] > idle[r] + releasing[r] or (not pipeline and request[r] > idle[r])):
            return False
    return True


@kernel
def choose_devices(
    asks: I64, containers: I32, total: I64, free: I64, releasing: I64, pipeline: bool, spread: bool, out: I32
) -> int:
    """Choose a card for each ask [A, 3] on one node with `total`, `free`, `releasing` [M, 3].

    The fullest card that fits is taken, with `spread` the one that fewest share; ties go to the first. Cards of one
    container differ. `out` [A] gets the places, -1 behind the last ask.

    Returns: how full the chosen cards will be by memory, in per mille on average; -1 if an ask fits nowhere.
    """
    fullness, count = 0, 0
    out[:] = -1
    for a in range(asks.shape[0]):
        if asks[a, SLOTS] == 0:
            break
        best, best_rating = -1, 0
        for m in range(total.shape[0]):
            if total[m, SLOTS] == 0 or not _differs(containers, out, a, m):
                continue
            if not _card_fits(asks, total[m], free[m], releasing[m], pipeline, out, a, m):
                continue
            used_memory, used_slots = _used(asks, total[m], free[m], out, a, m)
            rating = -used_slots if spread else 1000 * used_memory // max(total[m, DEVICE_MEMORY], 1)
            if best < 0 or rating > best_rating:
                best, best_rating = m, rating
        if best < 0:
            return -1
        used_memory, _ = _used(asks, total[best], free[best], out, a, best)
        own = memory_on(asks[a, DEVICE_MEMORY], total[best, DEVICE_MEMORY])
        fullness += 1000 * (used_memory + own) // max(total[best, DEVICE_MEMORY], 1)
        out[a] = best
        count += 1
    return fullness // max(count, 1)


@kernel
def memory_on(asked: int, card: int) -> int:
    """What an ask takes of a card of this memory; a negative ask is in per cent."""
    return -asked * card // 100 if asked < 0 else asked


@kernel
def _differs(containers: I32, out: I32, a: int, m: int) -> bool:
    for b in range(a):
        if out[b] == m and containers[b] == containers[a]:
            return False
    return True


@kernel
def _used(asks: I64, total: I64, free: I64, out: I32, a: int, m: int) -> tuple[int, int]:
    memory, slots = total[DEVICE_MEMORY] - free[DEVICE_MEMORY], total[SLOTS] - free[SLOTS]
    for b in range(a):
        if out[b] == m:
            memory += memory_on(asks[b, DEVICE_MEMORY], total[DEVICE_MEMORY])
            slots += 1
    return memory, slots


@kernel
def _card_fits(asks: I64, total: I64, free: I64, releasing: I64, pipeline: bool, out: I32, a: int, m: int) -> bool:
    """A card with no cores left takes nobody; one asked for whole must be unused. Source: reference/volcano.md §4."""
    slots, memory, cores = free[SLOTS] + releasing[SLOTS], free[DEVICE_MEMORY] + releasing[DEVICE_MEMORY], free[CORES]
    cores += releasing[CORES]
    if not pipeline:
        slots, memory, cores = min(slots, free[SLOTS]), min(memory, free[DEVICE_MEMORY]), min(cores, free[CORES])
    for b in range(a):
        if out[b] == m:
            slots -= 1
            memory -= memory_on(asks[b, DEVICE_MEMORY], total[DEVICE_MEMORY])
            cores -= asks[b, CORES]
    if slots < 1 or cores <= 0 or cores < asks[a, CORES]:
        return False
    if asks[a, CORES] == 100 and slots < total[SLOTS]:
        return False
    return memory >= memory_on(asks[a, DEVICE_MEMORY], total[DEVICE_MEMORY])
