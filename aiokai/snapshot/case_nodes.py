"""Nodes of a case's short form, as the cluster would give them.

    n0: {cpu: 64, nvidia.com/gpu: 8, labels: {zone: a}, taints: ["dedicated=ml:NoSchedule"], conditions: {Ready: false}}
    v0: {cpu: 64, devices: {vgpu: {count: 8, memory: 81920, share: 10}}}
    v1: {cpu: 64, devices: {registration: "GPU-0,10,81920,NVIDIA-A100,true,hami-core:"}}

Whatever is not a field of `CaseNode` is an allocatable resource. Cards that are registered for sharing are advertised
too (number, memory and cores, as their device plugin does) unless the node says so itself.
"""

from collections.abc import Mapping
from typing import Any, Final

from aiokai.devices.vgpu import REGISTER, parse_registration
from aiokai.errors import InvalidObjectError
from aiokai.model import kube
from aiokai.model.base import Amounts, Strict
from aiokai.model.configuration import VgpuNames
from aiokai.snapshot.case_model import CaseCards, CaseNode, check_amount
from aiokai.snapshot.reading import HOSTNAME
from aiokai.snapshot.strict import validate

MAX_PODS: Final = "110"


class _Allocatable(Strict):
    amounts: Amounts


def make_node(name: str, content: Mapping[str, Any], names: VgpuNames) -> kube.Node:
    """A node from what a case says of it.

    Raises:
        InvalidObjectError: names the first wrong field.
    """
    path = f"nodes.{name}"
    fields = {field.alias or key for key, field in CaseNode.model_fields.items()}
    told = validate(CaseNode, {key: value for key, value in content.items() if key in fields}, path)
    allocatable = _amounts({key: value for key, value in content.items() if key not in fields}, path)
    annotations = dict(told.annotations or {})
    if told.devices is not None:
        if told.devices.vgpu and told.devices.registration is not None:
            raise InvalidObjectError(f"{path}.devices", "holds vgpu and registration, which say the same: one of both")
        registration = told.devices.registration
        annotations[REGISTER] = _registration(name, told.devices.vgpu) if registration is None else registration
    return kube.Node(
        kube.ObjectMeta(
            name=name, uid=name, labels={HOSTNAME: name, **(told.labels or {})}, annotations=annotations or None
        ),
        kube.NodeSpec(told.unschedulable, tuple(kube.Taint(t.key, t.value, t.effect) for t in told.taints)),
        kube.NodeStatus(
            {"pods": MAX_PODS, **_advertised(annotations.get(REGISTER, ""), names), **allocatable},
            tuple(kube.Condition(kind, status) for kind, status in {"Ready": "True", **told.conditions}.items()),
        ),
    )


def _amounts(content: Mapping[str, Any], path: str) -> Amounts:
    try:
        amounts = validate(_Allocatable, {"amounts": content}, "").amounts
        for name, text in amounts.items():
            check_amount(name, text)
    except InvalidObjectError as error:
        raise InvalidObjectError(f"{path}.{error.path.removeprefix('amounts.')}", error.reason) from error
    except ValueError as error:
        raise InvalidObjectError(f"{path}.{name}", str(error)) from error
    return amounts


def _registration(node: str, kinds: tuple[CaseCards, ...]) -> str:
    cards = [kind for kind in kinds for _ in range(kind.count)]
    return "".join(
        f"{node}-{i},{card.share},{card.memory},{card.type},{str(card.healthy).lower()},hami-core:"
        for i, card in enumerate(cards)
    )


def _advertised(registration: str, names: VgpuNames) -> dict[str, str]:
    """What the plugin tells the kubelet of its cards; nothing where its own text cannot be read."""
    try:
        cards = parse_registration(registration)
    except InvalidObjectError:
        return {}
    usable = [card for card in cards if card.slots]
    if not usable:
        return {}
    return {
        names.number: str(sum(card.slots for card in usable)),
        names.memory: str(sum(card.memory for card in usable)),
        names.cores: str(100 * len(usable)),
    }
