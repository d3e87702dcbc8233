"""Kubelets without containers: they keep Nodes, admit the pods that are bound to them, and play that they run.

One program drives all nodes of a cluster through the API like any client, so it serves localcluster and a real
kube-apiserver alike, and nothing survives it: started anew, it takes up the pods where their status says they are. One
watch brings the pods of all nodes. An event is judged at once and without waiting, against what is left on the node
then; what has to be written is written behind it, by a task that lives as long as the write.

As a real kubelet does, it ignores requests for resources that its node does not advertise, refuses a pod that does not
fit with `OutOf…`, lets the device plugin choose the devices, and is the one who finally deletes a bound pod.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from aiokai.client.api import STRATEGIC_MERGE_PATCH, ApiClient
from aiokai.client.backoff import Backoff
from aiokai.client.reflector import Reflector
from aiokai.errors import ApiError, BadRequestError, ConflictError, ForbiddenError, InvalidObjectError, NotFoundError
from aiokai.localcluster.deviceplugin import STARTED_DEVICES, Marking, containers_of, devices_wanted, hand_out
from aiokai.localcluster.nodes import NodeTemplate, node_conditions, node_object, node_status
from aiokai.localcluster.objects import Json
from aiokai.localcluster.podstatus import KubeletPod, Plan, ended, plan_of, rejected, running
from aiokai.model.kube import Pod
from aiokai.model.quantity import quantity_to_base
from aiokai.model.resource import LEASES, NODES, PODS
from aiokai.snapshot.reading import request_of

__all__ = ["Kubelets", "NodeTemplate"]

log = logging.getLogger(__name__)
T = TypeVar("T")

WRITES_IN_FLIGHT: Final = 32
LEASE_PERIOD_S: Final = 10.0
LEASE_DURATION_S: Final = 40
STATUS_PERIOD_S: Final = 300.0
SHORTEST_RERUN_S: Final = 1.0
"""A pod that is restarted runs at least so long, or one that runs for no time would keep the server busy."""
LEASE_NAMESPACE: Final = "kube-node-lease"


class Kubelets:
    """The kubelets of `nodes`.

    Attributes:
        ready: set once all Nodes are registered and every pod bound to them was looked at.
    """

    def __init__(self, client: ApiClient, nodes: Sequence[NodeTemplate]) -> None:
        self.ready = asyncio.Event()
        self._client = client
        self._nodes = {template.name: _Node(template) for template in nodes}
        self._pods = Reflector(
            client,
            PODS,
            msgspec.json.Decoder(KubeletPod).decode,
            self._on_change,
            field_selector="spec.nodeName!=",
        )
        self._writes = asyncio.Semaphore(WRITES_IN_FLIGHT)
        self._tasks = asyncio.TaskGroup()
        self._addresses = 0

    async def run(self) -> None:
        """Register the nodes and serve them until cancelled."""
        try:
            async with self._tasks:
                async with asyncio.TaskGroup() as registrations:
                    for node in self._nodes.values():
                        registrations.create_task(self._register(node.template))
                self._spawn(self._pods.run())
                self._spawn(self._every(LEASE_PERIOD_S, self._renew_lease))
                self._spawn(self._every(STATUS_PERIOD_S, self._post_status))
                await self._pods.synced.wait()
                # What runs already has its place; only then is it known what is left for the others.
                for pod in sorted(self._pods.store.values(), key=lambda pod: pod.status.phase != "Running"):
                    self._look_at(pod)
                self.ready.set()
        finally:
            for node in self._nodes.values():
                node.cancel_timers()

    # Nodes

    async def _register(self, template: NodeTemplate) -> None:
        node = node_object(template)
        try:
            await self._written(lambda: self._client.create(NODES, node, into=bytes))
        except ConflictError:
            await self._written(lambda: self._client.patch(NODES, template.name, node, into=bytes))
        await self._patch_node_status(template, node_status(template))

    async def _every(self, period_s: float, duty: Callable[[NodeTemplate], Awaitable[None]]) -> None:
        """Do `duty` for each node once a period, spread over it."""
        while self._nodes:
            for node in self._nodes.values():
                # The next round is the next try. The watch says when the server is away, and a deleted node stays so.
                with suppress(ApiError):
                    await duty(node.template)
                await asyncio.sleep(period_s / len(self._nodes))

    async def _renew_lease(self, template: NodeTemplate) -> None:
        lease = _lease(template.name)
        try:
            await self._client.patch(LEASES, template.name, {"spec": lease["spec"]}, LEASE_NAMESPACE, into=bytes)
        except NotFoundError:
            await self._client.create(LEASES, lease, LEASE_NAMESPACE, into=bytes)

    async def _post_status(self, template: NodeTemplate) -> None:
        (ready,) = node_conditions()
        del ready["lastTransitionTime"]
        await self._patch_node_status(template, {"conditions": [ready]})

    async def _patch_node_status(self, template: NodeTemplate, status: Json) -> None:
        patch = partial(self._client.patch, media=STRATEGIC_MERGE_PATCH, subresource="status", into=bytes)
        await self._written(lambda: patch(NODES, template.name, {"status": status}))

    # Pods

    def _on_change(self, old: KubeletPod | None, new: KubeletPod | None) -> None:
        if not self.ready.is_set():
            return
        if new is not None:
            self._look_at(new)
        elif old is not None and (node := self._nodes.get(old.spec.node_name)):
            node.forget(old.metadata.uid)

    def _look_at(self, pod: KubeletPod) -> None:
        """Do what the pod's state asks for, unless that is being done."""
        node = self._nodes.get(pod.spec.node_name)
        if node is None:
            return
        uid = pod.metadata.uid
        node.pods[uid] = pod
        if pod.status.phase in ("Succeeded", "Failed"):
            node.release(uid)
        if pod.metadata.deletion_timestamp is not None:
            if uid not in node.stopping:
                node.stopping.add(uid)
                self._spawn(self._stop(node, pod))
        elif uid not in node.held and pod.status.phase == "Running":
            self._resume(node, pod)
        elif uid not in node.held and pod.status.phase in ("", "Pending"):
            self._admit(node, pod)

    def _resume(self, node: "_Node", pod: KubeletPod) -> None:
        """Take up a pod that ran before this program started."""
        try:
            plan = plan_of(pod.metadata.annotations)
            node.hold(pod)
        except InvalidObjectError as error:
            log.warning("pod %s runs and cannot be read: %s", _name(pod), error, extra={"pod": _name(pod)})
            node.release(pod.metadata.uid)
            return
        self._arm(node, pod, plan, _began(pod))

    def _admit(self, node: "_Node", pod: KubeletPod) -> None:
        """Start the pod, or refuse it."""
        try:
            plan = plan_of(pod.metadata.annotations)
            misfit = node.misfit(pod)
        except InvalidObjectError as error:
            self._reject(node, pod, "InvalidPod", str(error))
            return
        if misfit:
            self._reject(node, pod, *misfit)
            return
        node.hold(pod)
        self._spawn(self._start(node, pod, plan))

    def _reject(self, node: "_Node", pod: KubeletPod, reason: str, message: str) -> None:
        log.info("pod %s is refused: %s", _name(pod), message, extra={"pod": _name(pod), "reason": reason})
        # Known with nothing in its hands, so that an event before the refusal is seen does not admit it anew.
        node.release(pod.metadata.uid)
        self._spawn(self._write_status(pod, rejected(pod, reason, message)))

    async def _start(self, node: "_Node", pod: KubeletPod, plan: Plan) -> None:
        if problem := await self._allocate_devices(node, pod):
            why = f"Allocate failed due to rpc error: {problem}, which is unexpected"
            self._reject(node, pod, "UnexpectedAdmissionError", why)
            return
        now = datetime.now(UTC)
        if await self._write_status(pod, running(pod, self._next_address(), now)):
            fields = {"pod": _name(pod), "uid": pod.metadata.uid, "node": node.template.name}
            log.info("pod %s runs on %s", _name(pod), node.template.name, extra=fields)
            self._arm(node, pod, plan, now)

    async def _allocate_devices(self, node: "_Node", pod: KubeletPod) -> str:
        """Have the device plugin choose and mark. Returns: why it cannot; empty if all is well."""
        wanted = node.template.cards and any(map(devices_wanted, containers_of(pod)))
        if not wanted or STARTED_DEVICES in (pod.metadata.annotations or {}):
            return ""
        async with node.plugin:
            # Asked of the server, as the plugin does: it knows of pods whose events are still on the way.
            handout = hand_out(pod, await self._written(partial(self._pods_on, node.template.name)))
            await self._mark(handout.markings)
        return handout.problem

    async def _pods_on(self, node: str) -> list[KubeletPod]:
        pages = self._client.list_pages(PODS, into=KubeletPod, field_selector=f"spec.nodeName={node}")
        return [pod async for page in pages for pod in page.items]

    def _arm(self, node: "_Node", pod: KubeletPod, plan: Plan, began: datetime, restarts: int | None = None) -> None:
        """Let the run that `began` then end in its time."""
        if plan.run_for_s is None:
            return
        if restarts is None:
            restarts = max((status.restart_count for status in pod.status.container_statuses), default=0)
        run_for_s = max(plan.run_for_s, SHORTEST_RERUN_S) if restarts else plan.run_for_s
        left_s = run_for_s - (datetime.now(UTC) - began).total_seconds()
        loop = asyncio.get_running_loop()
        node.timers[pod.metadata.uid] = loop.call_later(
            max(left_s, 0.0), lambda: self._spawn(self._end(node, pod, plan, began, restarts))
        )

    async def _end(self, node: "_Node", pod: KubeletPod, plan: Plan, began: datetime, restarts: int) -> None:
        """A run is over: the pod ends, or runs again."""
        uid, now = pod.metadata.uid, datetime.now(UTC)
        if uid not in node.held or uid in node.stopping:
            return
        policy = pod.spec.restart_policy
        if policy == "Never" or (policy == "OnFailure" and not plan.exit_code):
            log.info("pod %s ends with %d", _name(pod), plan.exit_code, extra={"pod": _name(pod), "uid": uid})
            await self._write_status(pod, ended(pod, plan.exit_code, began, now, restarts))
        elif await self._write_status(pod, running(pod, "", now, restarts + 1)):
            self._arm(node, pod, plan, now, restarts + 1)

    async def _stop(self, node: "_Node", pod: KubeletPod) -> None:
        """Let the pod stop in its time, at most in its grace period, and delete it for good."""
        meta = pod.metadata
        assert meta.deletion_timestamp is not None
        try:
            stop_for_s = plan_of(meta.annotations).stop_for_s
        except InvalidObjectError:
            stop_for_s = 0.0
        grace_s = (meta.deletion_timestamp - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(min(stop_for_s, grace_s), 0.0))
        if meta.uid in node.pods:
            delete = partial(self._client.delete, uid=meta.uid, grace_period_s=0)
            await self._survive(pod, lambda: delete(PODS, meta.name, meta.namespace))

    # Writing

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        self._tasks.create_task(work)

    async def _mark(self, markings: Iterable[Marking]) -> None:
        """Write the annotations, one patch a pod."""
        wanted: dict[str, tuple[Pod, dict[str, str]]] = {}
        for pod, annotations in markings:
            wanted.setdefault(pod.metadata.uid, (pod, {}))[1].update(annotations)
        for uid, (pod, merged) in wanted.items():
            await self._patch_pod(pod, {"metadata": {"uid": uid, "annotations": merged}})

    async def _write_status(self, pod: KubeletPod, body: Json) -> bool:
        """Returns: False if the pod is gone, or the server will never take it."""
        return await self._patch_pod(pod, body, "status")

    async def _patch_pod(self, pod: Pod, body: Json, subresource: str = "") -> bool:
        patch = partial(self._client.patch, media=STRATEGIC_MERGE_PATCH, subresource=subresource, into=bytes)
        return await self._survive(pod, lambda: patch(PODS, pod.metadata.name, body, pod.metadata.namespace))

    async def _survive(self, pod: Pod, write: Callable[[], Awaitable[object]]) -> bool:
        """Write about a pod. Returns: False if it is gone, or the server will never take it."""
        try:
            await self._written(write)
        except (NotFoundError, ConflictError):
            return False
        except BadRequestError as error:
            log.warning("pod %s: %s", _name(pod), error, extra={"pod": _name(pod)})
            return False
        return True

    async def _written(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write (or ask), again and again while the server is not there.

        Raises:
            ApiError: the server understood and refused.
        """
        backoff = Backoff()
        while True:
            try:
                async with self._writes:
                    return await write()
            except (NotFoundError, ConflictError, BadRequestError):
                raise
            except ApiError as error:
                if isinstance(error, ForbiddenError):
                    log.warning("tried again: %s", error, extra={"code": error.code})
                await asyncio.sleep(backoff.next_s(error.retry_after_s or 0.0))

    def _next_address(self) -> str:
        self._addresses += 1
        high, low = divmod(self._addresses % 65_000, 250)
        return f"10.244.{high}.{low + 1}"


class _Node:
    """One node: what it has, and who holds what of it.

    Attributes:
        pods: the pods that are bound to it.
        held: what each pod that was looked at holds; nothing if it has ended or was refused.
        stopping: pods that are being stopped.
        timers: the ends of runs.
        plugin: held while the device plugin serves a pod: it serves one at a time.
    """

    def __init__(self, template: NodeTemplate) -> None:
        self.template = template
        self.plugin = asyncio.Lock()
        self.pods: dict[str, KubeletPod] = {}
        self.held: dict[str, dict[str, int]] = {}
        self.stopping: set[str] = set()
        self.timers: dict[str, asyncio.TimerHandle] = {}
        self._allocatable = {name: quantity_to_base(name, text) for name, text in template.capacity.items()}
        self._used = dict.fromkeys(self._allocatable, 0)

    def misfit(self, pod: KubeletPod) -> tuple[str, str] | None:
        """Reason and message, as kubelet words them, if the pod does not fit into what is left."""
        for name, amount in self._counted(pod).items():
            used, capacity = self._used.get(name, 0), self._allocatable.get(name, 0)
            if used + amount > capacity:
                unit = 1 if name in ("cpu", "memory", "ephemeral-storage", "pods") else 1000
                asked, taken, there = amount // unit, used // unit, capacity // unit
                message = (
                    f"Node didn't have enough resource: {name}, requested: {asked}, used: {taken}, capacity: {there}"
                )
                return f"OutOf{name}", message
        return None

    def hold(self, pod: KubeletPod) -> None:
        self.held[pod.metadata.uid] = counted = self._counted(pod)
        for name, amount in counted.items():
            self._used[name] = self._used.get(name, 0) + amount

    def release(self, uid: str) -> None:
        """The pod has ended: its place is free, and it is not started again."""
        for name, amount in self.held.get(uid, {}).items():
            self._used[name] -= amount
        if uid in self.pods:
            self.held[uid] = {}
        if timer := self.timers.pop(uid, None):
            timer.cancel()

    def cancel_timers(self) -> None:
        for timer in self.timers.values():
            timer.cancel()

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self.release(uid)
        self.held.pop(uid, None)
        self.pods.pop(uid, None)
        self.stopping.discard(uid)

    def _counted(self, pod: KubeletPod) -> dict[str, int]:
        """What the pod asks for, without extended resources that nobody here advertises: kubelet drops those."""
        return {name: amount for name, amount in request_of(pod) if name in self._allocatable or "/" not in name}


def _began(pod: KubeletPod) -> datetime:
    """When the present run of the pod began."""
    starts = [status.state.running.started_at for status in pod.status.container_statuses if status.state.running]
    return max((start for start in starts if start), default=pod.status.start_time or datetime.now(UTC))


def _lease(node: str) -> Json:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "metadata": {"name": node, "namespace": LEASE_NAMESPACE},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": LEASE_DURATION_S, "renewTime": now},
    }


def _name(pod: Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"
