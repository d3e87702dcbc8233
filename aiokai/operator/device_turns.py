"""Pods that the device plugin could confuse are bound to one node one after another.

A pod takes its turn before its Binding is sent and holds it until the plugin has said success or failed on it, until it
is gone, or for 30 seconds: a plugin that says nothing must not hold up a node for ever. Turns are read back from the
pods after a restart, since they follow from what stands on them.
"""

import asyncio
from typing import Final, NamedTuple

from aiokai.devices.vgpu_order import DeviceText, device_text, waits_for_plugin
from aiokai.model.kube import Pod
from aiokai.session.decisions import Bind

TURN_LIMIT_S: Final = 30.0


class _Turn(NamedTuple):
    uid: str
    devices: DeviceText


class DeviceTurns:
    """Who is being served on each node, and who waits, in order of arrival."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, _Turn]] = {}
        self._waiting: dict[str, list[tuple[_Turn, asyncio.Future[None]]]] = {}
        self._node_of: dict[str, str] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def take(self, bind: Bind) -> None:
        """Wait until no pod that could be confused with this one is on its way to the same node."""
        devices = device_text(bind.annotations)
        if devices is None:
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(bind.node, []).append((_Turn(bind.uid, devices), turn))
        self._advance(bind.node)
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting[bind.node] = [entry for entry in self._waiting.get(bind.node, ()) if entry[1] is not turn]
            self.give_back(bind.uid)
            raise

    def give_back(self, uid: str) -> None:
        """End the turn of a pod, if it holds one: it was served, is gone, or was not bound."""
        node = self._node_of.pop(uid, None)
        if node is None:
            return
        self._timers.pop(uid).cancel()
        del self._held[node][uid]
        if not self._held[node]:
            del self._held[node]
        self._advance(node)

    def saw(self, pod: Pod) -> None:
        """Learn from the pod itself how far the plugin is."""
        if not pod.spec.node_name:
            return
        devices = device_text(pod.metadata.annotations)
        is_over = pod.status.phase in ("Succeeded", "Failed") or not waits_for_plugin(pod.metadata.annotations)
        if devices is None or is_over:
            self.give_back(pod.metadata.uid)
        elif pod.metadata.uid not in self._node_of:
            self._hold(pod.spec.node_name, _Turn(pod.metadata.uid, devices))

    def _hold(self, node: str, turn: _Turn) -> None:
        self._held.setdefault(node, {})[turn.uid] = turn
        self._node_of[turn.uid] = node
        timer = asyncio.get_running_loop().call_later(TURN_LIMIT_S, self.give_back, turn.uid)
        self._timers[turn.uid] = timer

    def _advance(self, node: str) -> None:
        """Let everybody go who confuses neither a holder nor someone who came earlier."""
        before = [turn.devices for turn in self._held.get(node, {}).values()]
        still_waiting = []
        for turn, granted in self._waiting.pop(node, []):
            if granted.done():
                continue
            if any(turn.devices.confuses(other) for other in before):
                still_waiting.append((turn, granted))
            else:
                self._hold(node, turn)
                granted.set_result(None)
            before.append(turn.devices)
        if still_waiting:
            self._waiting[node] = still_waiting
