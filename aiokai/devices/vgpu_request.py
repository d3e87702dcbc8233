"""What users write for a share of a GPU, rewritten to what the device plugin advertises.

Done once, when a pod is created: kubelet drops requests for resources that nobody advertises, so a pod that kept an
alias, or forgot to ask for a card at all, would start without a GPU and without an error.
"""

from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from aiokai.errors import InvalidObjectError
from aiokai.model.configuration import VgpuNames
from aiokai.model.quantity import has_unit, parse_quantity

NUMBER_ALIAS: Final = "nvidia.com/vgpu-number"
MEMORY_ALIAS: Final = "nvidia.com/vgpu-memory"
CORES_ALIAS: Final = "nvidia.com/vgpu-cores"

Json = dict[str, Any]


def rewrite_vgpu(pod_spec: Mapping[str, Any], names: VgpuNames, path: str = "spec") -> Json:
    """The pod spec with real names and whole numbers in the limits of all containers; `pod_spec` is left as it was.

    A memory with a unit (`4Gi`) is bytes and rounded up to memoryUnit; a bare number is in memoryUnit already. One card
    is asked for where none is. Requests for vGPUs are dropped: the API server sets them to the limits.

    Raises:
        InvalidObjectError: names the amount, below `path`, that no plugin could serve.
    """
    spec = dict(pod_spec)
    for field in ("containers", "initContainers"):
        if spec.get(field):
            spec[field] = [_rewrite_container(c, names, f"{path}.{field}[{i}]") for i, c in enumerate(spec[field])]
    return spec


def _rewrite_container(container: Json, names: VgpuNames, path: str) -> Json:
    asked = _asked(container, names, f"{path}.resources")
    if not asked:
        return container
    if asked.setdefault(names.number, 1) == 0:
        raise InvalidObjectError(f"{path}.resources.limits[{names.number}]", "is 0, so memory and cores have no card")
    ours = {NUMBER_ALIAS, MEMORY_ALIAS, CORES_ALIAS, names.number, names.memory, names.cores}
    resources: Json = dict(container["resources"])
    for field in ("limits", "requests"):
        resources[field] = {name: amount for name, amount in (resources.get(field) or {}).items() if name not in ours}
    resources["limits"] |= {name: str(amount) for name, amount in asked.items()}
    return container | {"resources": {name: value for name, value in resources.items() if value}}


def _asked(container: Json, names: VgpuNames, path: str) -> dict[str, int]:
    """Amounts by real name; those of an extended resource must be the same wherever they stand."""
    asked: dict[str, int] = {}
    aliases = {NUMBER_ALIAS: names.number, MEMORY_ALIAS: names.memory, CORES_ALIAS: names.cores}
    for name, amount, where in _amounts(container, path):
        real = aliases.get(name, name)
        if real not in aliases.values():
            continue
        value = _memory(amount, names, where) if real == names.memory else _whole(amount, where)
        if real == names.cores and value > 100:
            raise InvalidObjectError(where, f"is in per cent of one card, at most 100 (got {value})")
        if asked.setdefault(real, value) != value:
            raise InvalidObjectError(where, f"limits and requests must be equal ({asked[real]} and {value} of {real})")
    return asked


def _amounts(container: Json, path: str) -> Iterator[tuple[str, object, str]]:
    for field in ("limits", "requests"):
        for name, amount in ((container.get("resources") or {}).get(field) or {}).items():
            yield name, amount, f"{path}.{field}[{name}]"


def _whole(amount: object, path: str) -> int:
    number = _number(amount, path)
    if number != number.to_integral_value():
        raise InvalidObjectError(path, f"must be a whole number (got {amount!r})")
    return int(number)


def _memory(amount: object, names: VgpuNames, path: str) -> int:
    if not has_unit(str(amount)):
        return _whole(amount, path)
    units = _number(amount, path) / parse_quantity(names.memory_unit)
    return int(units.to_integral_value(ROUND_CEILING))


def _number(amount: object, path: str) -> Decimal:
    try:
        number = parse_quantity(str(amount))
    except ValueError as error:
        raise InvalidObjectError(path, str(error)) from error
    if number < 0:
        raise InvalidObjectError(path, f"{amount!r} is negative")
    return number
