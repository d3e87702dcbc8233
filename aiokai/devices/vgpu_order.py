"""Which pods may be on their way to one node at the same time without getting each other's cards.

Kubelet tells the volcano-vgpu-device-plugin only how many devices a container wants, never which pod it belongs to. The
plugin takes the pod on its node that is `allocating` and has a container with that many devices. Two such pods with the
same text are served right in either order; with different texts one may start with the other's card.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from aiokai.devices.vgpu import ALLOCATED, BIND_PHASE

_ALLOCATING: Final = "allocating"


class DeviceText(NamedTuple):
    """What a pod was given, as the plugin reads it, and how many devices each of its containers wants."""

    text: str
    counts: frozenset[int]

    def confuses(self, other: "DeviceText") -> bool:
        """True if the plugin could serve the one pod with what is meant for the other."""
        return self.text != other.text and not self.counts.isdisjoint(other.counts)


def device_text(annotations: Mapping[str, str] | None) -> DeviceText | None:
    """What these annotations, of a pod or a Binding, give; None if they give no shared device."""
    text = (annotations or {}).get(ALLOCATED)
    if not text:
        return None
    counts = frozenset(part.count(":") for part in text.split(";"))
    return DeviceText(text, counts - {0})


def waits_for_plugin(annotations: Mapping[str, str] | None) -> bool:
    """True until the plugin has said success or failed."""
    return (annotations or {}).get(BIND_PHASE) == _ALLOCATING
