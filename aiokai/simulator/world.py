"""The cluster of a case, and how it answers between two cycles.

What the operator's edge, the controllers, the API server and the kubelets do to objects happens here at once: bound
pods run, evicted ones end and are made again by their owners, admitted gangs get their pods. Everything goes through
the same Cache as in the operator. No time passes but what `answer` is told.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from aiokai.devices.vgpu import WRITTEN
from aiokai.model import kube
from aiokai.model.pod_group import GangKey, GangPhase, PodGroup
from aiokai.session.decisions import Bind, Decisions
from aiokai.snapshot.arrays import Ledger, Snapshot
from aiokai.snapshot.build import Objects
from aiokai.snapshot.cache import Cache
from aiokai.snapshot.case import Case, PodKey


class World:
    """Objects by name, and the Cache made of them.

    Attributes:
        pods: as they are now.
        groups: PodGroups by the gang that they make.
    """

    def __init__(self, case: Case) -> None:
        self.now = case.now
        self.pods: dict[PodKey, kube.Pod] = {}
        self.groups: dict[GangKey, PodGroup] = {}
        self._cache = Cache(case.configuration)
        self._queues = {queue.identity: queue for queue in case.objects.queues}
        self._later = dict(case.later)
        self._case = case
        self._made = 0
        self._fill(case.objects)

    def _fill(self, objects: Objects) -> None:
        for node in objects.nodes:
            self._cache.apply_node(node)
        for namespace in objects.namespaces:
            self._cache.apply_namespace(namespace)
        for priority_class in objects.priority_classes:
            self._cache.apply_priority_class(priority_class)
        for volume in objects.volumes:
            self._cache.apply_volume(volume)
        for claim in objects.claims:
            self._cache.apply_claim(claim)
        for queue in objects.queues:
            self._cache.apply_queue(queue)
        for group in objects.pod_groups:
            self._put_group(group)
        for identity, error in objects.invalid.items():
            self._cache.invalid(identity, error)
        for pod in objects.pods:
            self._put(pod)

    def snapshot(self) -> tuple[Snapshot, Ledger]:
        return self._cache.snapshot(self.now)

    def answer(self, decisions: Decisions, later_s: float) -> None:
        """Let the world do what was decided, and what it does by itself in `later_s` seconds."""
        self.now += timedelta(seconds=later_s)
        then = self._case.then
        before = list(self.pods.values())
        for decision in decisions.gangs:
            for bind in decision.binds:
                self._bind(bind)
            if decision.status is not None and decision.gang in self.groups:
                self._put_group(replace(self.groups[decision.gang], status=decision.status))
        for pod in before:
            if pod.metadata.deletion_timestamp is not None:
                self._release(pod)
            elif pod.spec.node_name and pod.status.phase in ("Running", "Pending"):
                self._become(pod, then.running if pod.status.phase == "Running" else then.bound)
        for queue in decisions.queues:
            self._queues[queue.queue] = replace(self._queues[queue.queue], status=queue.status)
            self._cache.apply_queue(self._queues[queue.queue])
        self._make_admitted()

    def _bind(self, bind: Bind) -> None:
        pod = self.pods[bind.namespace, bind.name]
        meta = msgspec.structs.replace(
            pod.metadata, annotations={**(pod.metadata.annotations or {}), **bind.annotations} or None
        )
        spec = msgspec.structs.replace(pod.spec, node_name=bind.node)
        self._become(msgspec.structs.replace(pod, metadata=meta, spec=spec), self._case.then.bound)

    def _become(self, pod: kube.Pod, what: str) -> None:
        """Let a pod that is on a node run, stay bound, end or vanish."""
        if what == "gone":
            self._remove(pod)
            return
        phase = {"bound": "Pending"}.get(what, what.capitalize())
        if phase != pod.status.phase or self.pods[_key(pod)] is not pod:
            started = pod.status.start_time or self.now
            self._put(msgspec.structs.replace(pod, status=kube.PodStatus(phase=phase, start_time=started)))

    def _release(self, pod: kube.Pod) -> None:
        """A pod that was being deleted when the case began; nobody makes it again unless told."""
        if self._case.then.releasing == "releasing":
            return
        self._remove(pod)
        if self._case.then.releasing == "recreated" and _key(pod) not in self._case.fixed:
            self._make(pod)

    def _make(self, pod: kube.Pod) -> None:
        """The pod's successor, as its owner makes it."""
        self._made += 1
        meta = kube.ObjectMeta(
            name=pod.metadata.name,
            namespace=pod.metadata.namespace,
            uid=f"{pod.metadata.uid}+{self._made}",
            creation_timestamp=self.now,
            labels=pod.metadata.labels,
            annotations={k: v for k, v in (pod.metadata.annotations or {}).items() if k not in WRITTEN},
        )
        spec = msgspec.structs.replace(pod.spec, node_name="")
        self._put(kube.Pod(meta, spec, kube.PodStatus(phase="Pending")))

    def _make_admitted(self) -> None:
        """Make the pods of gangs that waited for their admission."""
        for key in list(self._later):
            if self.groups[key].status.phase not in ("", GangPhase.PENDING):
                for pod in self._later.pop(key):
                    self._put(_made_at(pod, self.now))

    def _put(self, pod: kube.Pod) -> None:
        self.pods[_key(pod)] = pod
        self._cache.apply_pod(pod)

    def _remove(self, pod: kube.Pod) -> None:
        del self.pods[_key(pod)]
        self._cache.remove_pod(pod)

    def _put_group(self, group: PodGroup) -> None:
        self.groups[GangKey(*group.identity, lone=False)] = group
        self._cache.apply_pod_group(group)

    def fair_shares(self, decisions: Decisions) -> dict[str, dict[str, str]]:
        """By queue, once the decisions are written."""
        statuses = {identity: queue.status for identity, queue in self._queues.items()}
        statuses |= {queue.queue: queue.status for queue in decisions.queues}
        return {identity.name: dict(status.fair_share or {}) for identity, status in statuses.items()}


def _made_at(pod: kube.Pod, now: datetime) -> kube.Pod:
    return msgspec.structs.replace(pod, metadata=msgspec.structs.replace(pod.metadata, creation_timestamp=now))


def _key(pod: kube.Pod) -> PodKey:
    return pod.metadata.namespace, pod.metadata.name
