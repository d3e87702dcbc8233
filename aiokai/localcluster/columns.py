"""The columns of the built-in kinds, as `kubectl get` users know them (Kubernetes `pkg/printers/internalversion`)."""

from typing import Any

from aiokai.localcluster.objects import Json, dig
from aiokai.localcluster.table import AGE, NAME, Column, age, path_cell

WIDE = 1
_NONE = "<none>"


def _text(name: str, path: str, priority: int = 0, absent: str = _NONE) -> Column:
    find = path_cell(path)
    return Column(name, "string", lambda obj: find(obj) or absent, priority)


def _number(name: str, *path: str) -> Column:
    return Column(name, "integer", lambda obj: dig(obj, *path) or 0)


def _ready_containers(pod: Json) -> str:
    ready = sum(bool(status.get("ready")) for status in dig(pod, "status", "containerStatuses") or ())
    return f"{ready}/{len(dig(pod, 'spec', 'containers') or ())}"


def _pod_status(pod: Json) -> str:
    status = pod.get("status") or {}
    shown = status.get("reason") or status.get("phase") or "Pending"
    if dig(pod, "spec", "schedulingGates"):
        shown = "SchedulingGated"
    for container in status.get("containerStatuses") or ():
        for state in ("waiting", "terminated"):
            shown = dig(container, "state", state, "reason") or shown
    return "Terminating" if "deletionTimestamp" in pod["metadata"] else shown


def _restarts(pod: Json) -> str:
    return str(sum(status.get("restartCount", 0) for status in dig(pod, "status", "containerStatuses") or ()))


def _node_status(node: Json) -> str:
    conditions = dig(node, "status", "conditions") or ()
    ready = next((condition["status"] for condition in conditions if condition["type"] == "Ready"), None)
    shown = {"True": "Ready", None: "Unknown"}.get(ready, "NotReady")
    return f"{shown},SchedulingDisabled" if dig(node, "spec", "unschedulable") else shown


def _node_roles(node: Json) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels") or {}
    return ",".join(sorted(label.removeprefix(prefix) for label in labels if label.startswith(prefix))) or _NONE


def _size(*path: str) -> Any:
    return lambda obj: len(dig(obj, *path) or ())


def _images(obj: Json) -> str:
    return ",".join(container["image"] for container in dig(obj, "spec", "template", "spec", "containers") or ())


def _last_seen(event: Json) -> str:
    return age(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp"))


def _event_object(event: Json) -> str:
    involved = event.get("involvedObject") or {}
    return f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"


def _completions(job: Json) -> str:
    return f"{dig(job, 'status', 'succeeded') or 0}/{dig(job, 'spec', 'completions') or 1}"


def _ready_replicas(obj: Json) -> str:
    return f"{dig(obj, 'status', 'readyReplicas') or 0}/{dig(obj, 'spec', 'replicas') or 0}"


_IMAGES = Column("Images", "string", _images, WIDE)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "pods": (
        NAME,
        Column("Ready", "string", _ready_containers),
        Column("Status", "string", _pod_status),
        Column("Restarts", "string", _restarts),
        AGE,
        _text("IP", ".status.podIP", WIDE),
        _text("Node", ".spec.nodeName", WIDE),
        _text("Nominated Node", ".status.nominatedNodeName", WIDE),
        _text("Readiness Gates", ".spec.readinessGates[*].conditionType", WIDE),
    ),
    "nodes": (
        NAME,
        Column("Status", "string", _node_status),
        Column("Roles", "string", _node_roles),
        AGE,
        Column("Version", "string", lambda node: dig(node, "status", "nodeInfo", "kubeletVersion") or ""),
        _text("Internal-IP", '.status.addresses[?(@.type=="InternalIP")].address', WIDE),
        _text("External-IP", '.status.addresses[?(@.type=="ExternalIP")].address', WIDE),
        _text("OS-Image", ".status.nodeInfo.osImage", WIDE),
        _text("Kernel-Version", ".status.nodeInfo.kernelVersion", WIDE),
        _text("Container-Runtime", ".status.nodeInfo.containerRuntimeVersion", WIDE),
    ),
    "namespaces": (NAME, _text("Status", ".status.phase"), AGE),
    "events": (
        Column("Last Seen", "string", _last_seen),
        _text("Type", ".type"),
        _text("Reason", ".reason"),
        Column("Object", "string", _event_object),
        _text("Subobject", ".involvedObject.fieldPath", WIDE),
        _text("Source", ".source.component", WIDE),
        Column("Message", "string", lambda event: (event.get("message") or "").strip()),
        _number("Count", "count")._replace(priority=WIDE),
        NAME._replace(priority=WIDE),
    ),
    "configmaps": (NAME, Column("Data", "integer", _size("data")), AGE),
    "secrets": (NAME, _text("Type", ".type"), Column("Data", "integer", _size("data")), AGE),
    "services": (
        NAME,
        _text("Type", ".spec.type"),
        _text("Cluster-IP", ".spec.clusterIP"),
        _text("External-IP", ".status.loadBalancer.ingress[*].ip"),
        _text("Port(s)", ".spec.ports[*].port"),
        AGE,
    ),
    "jobs": (
        NAME,
        _text("Status", '.status.conditions[?(@.status=="True")].type'),
        Column("Completions", "string", _completions),
        AGE,
        _IMAGES,
    ),
    "deployments": (
        NAME,
        Column("Ready", "string", _ready_replicas),
        _number("Up-to-date", "status", "updatedReplicas"),
        _number("Available", "status", "availableReplicas"),
        AGE,
        _IMAGES,
    ),
    "replicasets": (
        NAME,
        _number("Desired", "spec", "replicas"),
        _number("Current", "status", "replicas"),
        _number("Ready", "status", "readyReplicas"),
        AGE,
        _IMAGES,
    ),
    "statefulsets": (NAME, Column("Ready", "string", _ready_replicas), AGE, _IMAGES),
    "daemonsets": (
        NAME,
        _number("Desired", "status", "desiredNumberScheduled"),
        _number("Current", "status", "currentNumberScheduled"),
        _number("Ready", "status", "numberReady"),
        AGE,
    ),
    "poddisruptionbudgets": (
        NAME,
        _text("Min Available", ".spec.minAvailable", absent="N/A"),
        _text("Max Unavailable", ".spec.maxUnavailable", absent="N/A"),
        _number("Allowed Disruptions", "status", "disruptionsAllowed"),
        AGE,
    ),
    "leases": (NAME, _text("Holder", ".spec.holderIdentity"), AGE),
    "priorityclasses": (
        NAME,
        _number("Value", "value"),
        Column("Global-Default", "boolean", lambda obj: bool(obj.get("globalDefault"))),
        AGE,
        _text("PreemptionPolicy", ".preemptionPolicy"),
    ),
    "customresourcedefinitions": (
        NAME,
        Column("Created At", "date", lambda obj: obj["metadata"].get("creationTimestamp")),
    ),
    "persistentvolumeclaims": (
        NAME,
        _text("Status", ".status.phase"),
        _text("Volume", ".spec.volumeName"),
        _text("StorageClass", ".spec.storageClassName"),
        AGE,
    ),
    "storageclasses": (NAME, _text("Provisioner", ".provisioner"), AGE),
}
