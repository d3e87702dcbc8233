"""The built-in kinds, one a line, and the objects that every cluster has."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from aiokai.localcluster import metadata, scale
from aiokai.localcluster.columns import COLUMNS
from aiokai.localcluster.crds import CrdStrategy
from aiokai.localcluster.objects import Json, decode
from aiokai.localcluster.pods import PodStrategy, Priority, UnknownPriorityClassError
from aiokai.localcluster.resources import Resource
from aiokai.localcluster.store import Store
from aiokai.localcluster.strategies import (
    BudgetStrategy,
    ConfigStrategy,
    NamespaceStrategy,
    PriorityClassStrategy,
    ServiceStrategy,
    Strategy,
    WorkloadStrategy,
)
from aiokai.localcluster.table import AGE, NAME
from aiokai.localcluster.typed import admit, schema_of_model

SYSTEM_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_EVENTS = "events."
_PRIORITY_CLASSES = "priorityclasses.scheduling.k8s.io"
_POD_FIELDS = (
    "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName spec.hostNetwork status.phase "
    "status.podIP status.nominatedNodeName"
)
_EVENT_FIELDS = (
    "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid involvedObject.apiVersion "
    "involvedObject.resourceVersion involvedObject.fieldPath reason reportingComponent source type"
)
_UNCOUNTED = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}
_PLAIN = Strategy()
_COUNTING = Strategy(counts_generations=True)
_COMPUTED = Strategy(counts_generations=True, initial_status={})
_BUDGET = BudgetStrategy(counts_generations=True, initial_status=_UNCOUNTED, unconditional_update=False)
_WORKLOAD = WorkloadStrategy(counts_generations=True)
_NAMED_AS_PATH = Strategy(name_rule=metadata.path_segment)


def builtin_resources(store: Store) -> Iterator[Resource]:
    core = partial(_resource, "", "v1")
    apps = partial(_resource, "apps", "v1", strategy=_WORKLOAD)
    scaled = partial(apps, subs="status scale", scale=scale.WORKLOAD)
    rbac = partial(_resource, "rbac.authorization.k8s.io", "v1", strategy=_NAMED_AS_PATH)
    pods = PodStrategy(priority_of=partial(_priority_of, store))
    pending = Strategy(initial_status={"phase": "Pending"})

    yield core("pods", "Pod", "po", strategy=pods, subs="status binding eviction log",
               fields=_POD_FIELDS, returns_deleted=True)  # fmt: skip
    yield core("nodes", "Node", "no", namespaced=False, subs="status", fields="spec.unschedulable")
    yield core("namespaces", "Namespace", "ns", namespaced=False, subs="status finalize", fields="status.phase",
               strategy=NamespaceStrategy(name_rule=metadata.dns_label), returns_deleted=True)  # fmt: skip
    yield core("events", "Event", "ev", model="CoreV1Event", fields=_EVENT_FIELDS)
    yield core("configmaps", "ConfigMap", "cm", strategy=ConfigStrategy())
    yield core("secrets", "Secret", strategy=ConfigStrategy(), fields="type")
    yield core("services", "Service", "svc", strategy=ServiceStrategy(name_rule=metadata.dns1035_label), subs="status",
               fields="spec.clusterIP spec.type", returns_deleted=True)  # fmt: skip
    yield core("serviceaccounts", "ServiceAccount", "sa", returns_deleted=True)
    yield core("endpoints", "Endpoints", "ep")
    yield core("persistentvolumeclaims", "PersistentVolumeClaim", "pvc", strategy=pending, subs="status",
               returns_deleted=True)  # fmt: skip
    yield core("persistentvolumes", "PersistentVolume", "pv", namespaced=False, strategy=pending, subs="status",
               returns_deleted=True)  # fmt: skip
    yield core("resourcequotas", "ResourceQuota", "quota", subs="status", returns_deleted=True)
    yield core("limitranges", "LimitRange", "limits")

    yield scaled("deployments", "Deployment", "deploy")
    yield scaled("replicasets", "ReplicaSet", "rs", fields="status.replicas")
    yield scaled("statefulsets", "StatefulSet", "sts")
    yield apps("daemonsets", "DaemonSet", "ds", subs="status")
    yield _resource("batch", "v1", "jobs", "Job", strategy=_COMPUTED, subs="status", fields="status.successful")
    yield _resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb",
                    strategy=_BUDGET, subs="status")  # fmt: skip
    yield _resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "netpol", strategy=_COUNTING)
    yield _resource("coordination.k8s.io", "v1", "leases", "Lease", strategy=Strategy(unconditional_update=False))
    yield _resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", "pc", namespaced=False,
                    strategy=PriorityClassStrategy(counts_generations=True))  # fmt: skip
    yield _resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", "crd crds",
                    namespaced=False, subs="status", strategy=CrdStrategy(counts_generations=True))  # fmt: skip
    yield _resource("events.k8s.io", "v1", "events", "Event", "ev", model="EventsV1Event", fields="reason type",
                    shared_with=_EVENTS, from_stored=_event_from_core, to_stored=_event_to_core)  # fmt: skip
    yield _resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", "sc", namespaced=False,
                    returns_deleted=True)  # fmt: skip
    yield _resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", strategy=_COUNTING)
    yield rbac("roles", "Role")
    yield rbac("rolebindings", "RoleBinding")
    yield rbac("clusterroles", "ClusterRole", namespaced=False)
    yield rbac("clusterrolebindings", "ClusterRoleBinding", namespaced=False)


def first_objects() -> list[tuple[str, str, str, Json]]:
    """Group, version, plural and body of what a new cluster holds."""
    namespaces: list[tuple[str, str, str, Json]] = [
        ("", "v1", "namespaces", {"metadata": {"name": name}})
        for name in ("default", "kube-node-lease", "kube-public", "kube-system")
    ]
    return namespaces + [
        ("scheduling.k8s.io", "v1", "priorityclasses", {"metadata": {"name": name}, "value": value})
        for name, value in SYSTEM_CLASSES.items()
    ]


def _resource(
    group: str, version: str, plural: str, kind: str, short: str = "", *, namespaced: bool = True, subs: str = "",
    fields: str = "", model: str = "", strategy: Strategy = _PLAIN, **more: Any,
) -> Resource:  # fmt: skip
    model = model or f"V1{kind}"
    return Resource(
        group=group,
        version=version,
        plural=plural,
        kind=kind,
        namespaced=namespaced,
        singular=kind.lower(),
        short_names=tuple(short.split()),
        categories=("all",) if plural in _IN_ALL else (),
        subresources=frozenset(subs.split()),
        selectable=tuple(fields.split()),
        columns=COLUMNS.get(plural, (NAME, AGE)),
        model=model,
        shape=_shape(model, kind, version),
        strategy=strategy,
        **more,
    )


_IN_ALL = frozenset({"pods", "services", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs"})


def _shape(model: str, kind: str, version: str) -> Callable[[Json], list[str]]:
    return lambda obj: admit(schema_of_model(model), obj, kind, version)


def _priority_of(store: Store, name: str) -> Priority:
    classes = store.collection(_PRIORITY_CLASSES).objects
    if not name:
        return _global_default(store)
    found = classes.get(("", name))
    if found is None:
        raise UnknownPriorityClassError(f"no PriorityClass with name {name} was found")
    return _as_priority(decode(found.body))


def _global_default(store: Store) -> Priority:
    """The lowest of the classes that call themselves the default; without one, priority 0."""
    every = (decode(stored.body) for stored in store.collection(_PRIORITY_CLASSES).objects.values())
    defaults = [_as_priority(obj) for obj in every if obj.get("globalDefault")]
    return min(defaults, key=lambda priority: priority.value, default=Priority("", 0, "PreemptLowerPriority"))


def _as_priority(obj: Json) -> Priority:
    return Priority(obj["metadata"]["name"], obj["value"], obj.get("preemptionPolicy", "PreemptLowerPriority"))


_EVENT_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "count": "deprecatedCount",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "source": "deprecatedSource",
}


def _event_from_core(event: Json) -> None:
    for core, newer in _EVENT_NAMES.items():
        if core in event:
            event[newer] = event.pop(core)
    event["apiVersion"] = "events.k8s.io/v1"


def _event_to_core(event: Json) -> None:
    for core, newer in _EVENT_NAMES.items():
        if newer in event:
            event[core] = event.pop(newer)
    event["apiVersion"] = "v1"
