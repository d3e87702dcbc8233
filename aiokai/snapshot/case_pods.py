"""Pods of a case's short form, as the cluster would give them.

Requests for shares of a GPU are rewritten as for a Job's pod, a running pod carries the annotations that its Binding
would have brought, and a state becomes what a pod in that state shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from aiokai.devices import fraction, vgpu
from aiokai.devices.vgpu_request import rewrite_vgpu
from aiokai.errors import InvalidObjectError
from aiokai.model import keys, kube
from aiokai.model.configuration import VgpuNames
from aiokai.model.duration import duration_to_seconds
from aiokai.snapshot.case_model import FRACTIONS, SHORT_VGPU, UNSUPPORTED, TaskFields
from aiokai.snapshot.strict import convert, refuse_unknown

Json = dict[str, Any]

_ON_A_NODE: Final = frozenset({"bound", "running", "releasing"})
_OFF_ALL_NODES: Final = frozenset({"pending", "gated"})
_PHASES: Final = {"running": "Running", "releasing": "Running", "succeeded": "Succeeded", "failed": "Failed"}
_GATE: Final = "aiokai.io/case"
_STRICT: Final = ("nodeSelector", "affinity", "tolerations", "schedulingGates", "overhead")
"""Fields read whole. Of containers, volumes and the like only a part is, so there unread fields are no mistakes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Who a pod is, and what its gang says of it."""

    namespace: str
    name: str
    scheduler: str
    created: datetime
    annotations: Mapping[str, str]
    priority: int = 0
    priority_class: str = ""
    index: int = 0


class PodMaker:
    """Makes pods of one case; knows its nodes, and which of their cards are taken."""

    def __init__(self, nodes: Mapping[str, kube.Node], names: VgpuNames, now: datetime) -> None:
        self._nodes = nodes
        self._names = names
        self._now = now
        self._free: dict[str, list[list[int]]] = {}

    def make(self, place: Place, fields: Sequence[TaskFields], path: str) -> kube.Pod:
        """A pod; the first of `fields` that says something counts.

        Raises:
            InvalidObjectError: names the first wrong field below `path`.
        """
        node = self._node(place, _said(fields, "on"), f"{path}.on")
        state = _state(_said(fields, "state"), node, f"{path}.state")
        request = dict(_said(fields, "request") or {})
        spec = self._spec(place, fields, request, path)
        meta = self._meta(place, fields, request)
        if state == "gated" and not spec.get("schedulingGates"):
            spec["schedulingGates"] = [{"name": _GATE}]
        if state == "releasing":
            meta["deletionTimestamp"] = _text(self._now)
        spec["nodeName"] = node
        status: Json = {"phase": _PHASES.get(state, "Pending")}
        if (started := _said(fields, "started")) is not None:
            status["startTime"] = _text(moment(started, self._now, f"{path}.started"))
        pod = convert(kube.Pod, {"metadata": meta, "spec": spec, "status": status}, path)
        return self._with_cards(pod, place, _said(fields, "devices"), path)

    def _node(self, place: Place, on: tuple[str, ...] | None, path: str) -> str:
        if not on:
            return ""
        node = on[place.index % len(on)]
        if node not in self._nodes:
            raise InvalidObjectError(path, f"there is no node {node!r}")
        return node

    def _meta(self, place: Place, fields: Sequence[TaskFields], request: Json) -> Json:
        annotations = dict(place.annotations)
        if subgroup := _said(fields, "sub_group"):
            annotations[keys.SUBGROUP] = subgroup
        for name, key in zip(FRACTIONS, (fraction.FRACTION, fraction.MEMORY), strict=True):
            if name in request:
                annotations[key] = str(request.pop(name))
        return {
            "name": place.name,
            "namespace": place.namespace,
            "uid": f"{place.namespace}/{place.name}",
            "creationTimestamp": _text(place.created),
            "labels": _said(fields, "labels"),
            "annotations": annotations | (_said(fields, "annotations") or {}),
        }

    def _spec(self, place: Place, fields: Sequence[TaskFields], request: Json, path: str) -> Json:
        spec: Json = {"schedulerName": place.scheduler, "priority": place.priority}
        spec["priorityClassName"] = place.priority_class
        for name in TaskFields.POD_FIELDS:
            if (value := _said(fields, name)) is not None:
                alias = TaskFields.model_fields[name].alias or name
                spec[alias] = value
                if alias in _STRICT:
                    convert(kube.PodSpec, {alias: value}, path)
                    refuse_unknown(kube.PodSpec, {alias: value}, path)
        if "containers" in spec:
            if request.keys() - FRACTIONS:
                raise InvalidObjectError(f"{path}.containers", "stand beside a request: one of both")
        else:
            asked = {name: amount for name, amount in request.items() if name not in FRACTIONS}
            asked = {self._real(name): amount for name, amount in asked.items()}
            spec["containers"] = [{"name": "main", "resources": {"requests": asked, "limits": asked}}]
        return rewrite_vgpu(spec, self._names, path)

    def _real(self, name: str) -> str:
        return str(getattr(self._names, SHORT_VGPU[name])) if name in SHORT_VGPU else name

    # Cards

    def _with_cards(
        self, pod: kube.Pod, place: Place, told: str | tuple[tuple[int | str, ...], ...] | None, path: str
    ) -> kube.Pod:
        """The pod with the cards it was given, where it holds any: those told, else the first that have room."""
        asks = vgpu.asks_of(pod, self._names)
        if not pod.spec.node_name or pod.status.phase in ("Succeeded", "Failed"):
            if told is not None:
                raise InvalidObjectError(f"{path}.devices", "are of a pod that is on a node")
            return pod
        if isinstance(told, str):
            return _annotated(pod, {vgpu.ALLOCATED: told})
        if not asks:
            return pod
        node = pod.spec.node_name
        cards = vgpu.parse_registration((self._nodes[node].metadata.annotations or {}).get(vgpu.REGISTER, ""))
        if told is None:
            grants = self._first_with_room(node, cards, asks, path)
        else:
            grants = _told_grants(cards, asks, told[place.index % len(told)] if told else (), f"{path}.devices")
        self._take(node, cards, grants)
        containers = len(pod.spec.containers) + len(pod.spec.init_containers)
        given = vgpu.annotations_of(grants, containers, node, self._now)
        return _annotated(pod, given | {vgpu.BIND_PHASE: "success"})

    def _first_with_room(
        self, node: str, cards: Sequence[vgpu.Card], asks: Sequence[vgpu.Ask], path: str
    ) -> list[vgpu.Grant]:
        grants: list[vgpu.Grant] = []
        free = self._free.setdefault(node, [[card.slots, card.memory, 100] for card in cards])
        for ask in asks:
            mine = {grant.uuid for grant in grants if grant.container == ask.container}
            for card, (slots, memory, cores) in zip(cards, free, strict=True):
                grant = _grant(ask, card)
                if card.uuid not in mine and slots and memory >= grant.memory and cores >= grant.cores:
                    grants.append(grant)
                    break
            else:
                raise InvalidObjectError(f"{path}.on", f"{node} has no card left for what runs there; name `devices`")
        return grants

    def _take(self, node: str, cards: Sequence[vgpu.Card], grants: Sequence[vgpu.Grant]) -> None:
        free = self._free.setdefault(node, [[card.slots, card.memory, 100] for card in cards])
        places = {card.uuid: place for place, card in enumerate(cards)}
        for grant in grants:
            left = free[places[grant.uuid]]
            left[0], left[1], left[2] = left[0] - 1, left[1] - grant.memory, left[2] - grant.cores


def _annotated(pod: kube.Pod, annotations: Mapping[str, str]) -> kube.Pod:
    """The pod with these annotations beside its own, which count more."""
    meta = msgspec.structs.replace(pod.metadata, annotations={**annotations, **(pod.metadata.annotations or {})})
    return msgspec.structs.replace(pod, metadata=meta)


def _told_grants(
    cards: Sequence[vgpu.Card], asks: Sequence[vgpu.Ask], told: Sequence[int | str], path: str
) -> list[vgpu.Grant]:
    if len(told) != len(asks):
        raise InvalidObjectError(path, f"names {len(told)} cards, and {len(asks)} are asked for")
    by_name: dict[int | str, vgpu.Card] = dict(enumerate(cards))
    by_name |= {card.uuid: card for card in cards}
    for card in told:
        if card not in by_name:
            raise InvalidObjectError(path, f"its node registers no card {card!r}")
    return [_grant(ask, by_name[card]) for ask, card in zip(asks, told, strict=True)]


def _grant(ask: vgpu.Ask, card: vgpu.Card) -> vgpu.Grant:
    memory = -ask.memory * card.memory // 100 if ask.memory < 0 else ask.memory
    return vgpu.Grant(ask.container, card.uuid, memory, ask.cores)


def _said(fields: Sequence[TaskFields], name: str) -> Any:
    return next((value for one in fields if (value := getattr(one, name)) is not None), None)


def _state(told: str | None, node: str, path: str) -> str:
    """Running where it is on a node, else pending, if nothing is told."""
    if told is None:
        return "running" if node else "pending"
    if told == "pipelined":
        raise InvalidObjectError(path, f"pipelined {UNSUPPORTED} as a state to begin with")
    if told in _ON_A_NODE and not node:
        raise InvalidObjectError(path, f"{told}, but `on` names no node")
    if told in _OFF_ALL_NODES and node:
        raise InvalidObjectError(path, f"{told}, but `on` names node {node!r}")
    return told


def moment(told: object, now: datetime, path: str) -> datetime:
    """A time, or a duration before now.

    Raises:
        InvalidObjectError: it is neither.
    """
    try:
        return now - timedelta(seconds=duration_to_seconds(str(told)))
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(str(told))
    except ValueError as error:
        raise InvalidObjectError(path, f"{told!r} is neither a time nor how long ago") from error
    if at.tzinfo is None:
        raise InvalidObjectError(path, f"{told!r} has no time zone, such as Z")
    return at


def _text(at: datetime) -> str:
    return at.isoformat()
