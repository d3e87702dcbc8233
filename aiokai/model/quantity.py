"""Kubernetes quantities as exact integers in base units.

Feasibility is decided on int64 (mCPU, bytes, milli-units of everything countable), so a quantity is converted once, on
the way in, and rounded up there as Kubernetes does. Source: apimachinery `resource.Quantity`, its text form.
"""

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Final

UNLIMITED: Final = 2**62
"""No bound, in any base unit: larger than any sum that may occur, and addable once without overflow."""

MOST_OF_ONE: Final = 2**53
"""More than any pod or node has of a resource, in base units; hundreds of them can be added up."""

_SUFFIXES: Final = {
    "": Decimal(1),
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9),
    "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30),
    "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_QUANTITY: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)")

BYTE_RESOURCES: Final = frozenset({"memory", "ephemeral-storage", "storage"})
WHOLE_RESOURCES: Final = frozenset({"pods"})


@lru_cache(maxsize=65536)
def parse_quantity(text: str | int | float) -> Decimal:
    """The number that a quantity such as `4Gi`, `500m`, `1e3` or `2` stands for.

    Raises:
        ValueError: it is not a quantity.
    """
    match = _QUANTITY.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is not a quantity")
    number, exponent, suffix = match.groups()
    return Decimal(number + (exponent or "")) * _SUFFIXES[suffix or ""]


def has_unit(text: str | int | float) -> bool:
    """True if the quantity says its unit (`4Gi`, `4000M`); a bare number does not."""
    match = _QUANTITY.fullmatch(str(text).strip())
    return match is not None and bool(match[3])


@lru_cache(maxsize=65536)
def quantity_to_base(resource: str, text: str | int | float) -> int:
    """A quantity of `resource` in its base unit: bytes, whole pods, milli-units of everything else; rounded up.

    Raises:
        ValueError: it is not a quantity, or too large to count.
    """
    uncounted = resource in BYTE_RESOURCES or resource in WHOLE_RESOURCES or resource.startswith("hugepages-")
    scale = 1 if uncounted else 1000
    base = (parse_quantity(text) * scale).to_integral_value(ROUND_CEILING)
    if abs(base) >= UNLIMITED:
        raise ValueError(f"{text!r} is too large")
    return int(base)


def base_to_quantity(resource: str, base: int) -> str:
    """The shortest usual text of an amount in base units: `4Gi`, `500m`, `8`."""
    if base >= UNLIMITED:
        return "unlimited"
    if resource in BYTE_RESOURCES or resource.startswith("hugepages-"):
        for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
            unit = int(_SUFFIXES[suffix])
            if base and base % unit == 0:
                return f"{base // unit}{suffix}"
        return str(base)
    if resource in WHOLE_RESOURCES:
        return str(base)
    return str(base // 1000) if base % 1000 == 0 else f"{base}m"
