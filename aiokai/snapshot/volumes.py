"""What a pod's volume claims mean for where it may run.

A claim that is bound ties the pod to where its volume can be reached. One that is not, or that only one pod may use at
a time, is a constraint that aiokai does not keep yet, so that the pod waits.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiokai.model import kube
from aiokai.model.reasons import Reason
from aiokai.snapshot.arrays import TaskState, Term
from aiokai.snapshot.reading import PodReading, read_term

Claims = Mapping[tuple[str, str], kube.PersistentVolumeClaim]
"""By namespace and name."""
Volumes = Mapping[str, kube.PersistentVolume]

_ZONES: Final = (
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
)


def with_volumes(reading: PodReading, claims: Claims, volumes: Volumes) -> PodReading:
    """The reading of a waiting pod with what its claims demand; any other is left as it is."""
    if not reading.claims or reading.state is not TaskState.PENDING or reading.obstacle is not Reason.NONE:
        return reading
    reachable: list[tuple[Term, ...]] = []
    for i, name in reading.claims:
        claim = claims.get((reading.namespace, name))
        volume = volumes.get(claim.spec.volume_name) if claim is not None else None
        if problem := _problem(claim, volume):
            field = f"spec.volumes[{i}].persistentVolumeClaim ({name} {problem})"
            return replace(reading, obstacle=Reason.UNSUPPORTED_CONSTRAINT, problem=field)
        assert volume is not None
        reachable += _where(volume)
    return replace(reading, constraints=replace(reading.constraints, volumes=tuple(reachable)))


def _problem(claim: kube.PersistentVolumeClaim | None, volume: kube.PersistentVolume | None) -> str:
    if claim is None:
        return "does not exist"
    if claim.status.phase != "Bound" or not claim.spec.volume_name:
        return "is not bound"
    if "ReadWriteOncePod" in claim.spec.access_modes:
        return "may be used by one pod only"
    return "has a volume that does not exist" if volume is None else ""


def _where(volume: kube.PersistentVolume) -> list[tuple[Term, ...]]:
    """The volume's node affinity, and zones named by label, as kube-scheduler's VolumeZone reads them."""
    labels, affinity = volume.metadata.labels or {}, volume.spec.node_affinity
    zones = [(key, tuple(labels[key].split("__"))) for key in _ZONES if key in labels]
    where: list[tuple[Term, ...]] = [(Term(labels=((key, "In", values),)),) for key, values in zones]
    if affinity is not None and affinity.required is not None:
        where.append(tuple(read_term(term) for term in affinity.required.node_selector_terms))
    return where
