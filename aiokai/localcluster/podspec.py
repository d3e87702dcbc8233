"""The body of a pod: what kube-apiserver fills in, and what it refuses.

Sources: `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation/validation.go`, the admission plugins
DefaultTolerationSeconds and Priority. Only what a scheduler or its users can run into is checked.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from aiokai.localcluster.metadata import dns_label, qualified_name
from aiokai.localcluster.objects import Json, dig
from aiokai.localcluster.status import FieldError, duplicate, forbidden_field, invalid_value, required, unsupported
from aiokai.model.quantity import parse_quantity

_SPEC_DEFAULTS = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "enableServiceLinks": True,
    "preemptionPolicy": "PreemptLowerPriority",
}
_CONTAINER_DEFAULTS = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_NOT_READY, _UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
_EVICTION_DELAY_S = 300
_MUST_BE_POSITIVE = "must be greater than or equal to 0"


def containers_of(spec: Json) -> Iterator[tuple[str, Json]]:
    """All containers of a pod with the paths of their fields."""
    for field in ("initContainers", "containers"):
        for row, container in enumerate(spec.get(field) or ()):
            yield f"spec.{field}[{row}]", container


def default_spec(spec: Json) -> None:
    """Fill in what the API server decides about a pod that says nothing itself."""
    for field, value in _SPEC_DEFAULTS.items():
        spec.setdefault(field, value)
    spec.setdefault("securityContext", {})
    if "serviceAccountName" in spec:
        spec["serviceAccount"] = spec["serviceAccountName"]
    for _, container in containers_of(spec):
        _default_container(container)
    for volume in spec.get("volumes") or ():
        _default_volume(volume)
    if spec.get("hostNetwork"):
        for _, container in containers_of(spec):
            for port in container.get("ports") or ():
                port.setdefault("hostPort", port.get("containerPort"))
    _tolerate_sick_nodes(spec)


def _default_container(container: Json) -> None:
    for field, value in _CONTAINER_DEFAULTS.items():
        container.setdefault(field, value)
    if "imagePullPolicy" not in container:
        image = container.get("image") or ""
        _, colon, tag = image.rpartition("/")[2].partition(":")
        latest = "@" not in image and (not colon or tag == "latest")
        container["imagePullPolicy"] = "Always" if latest else "IfNotPresent"
    resources = container.setdefault("resources", {})
    if limits := resources.get("limits"):
        resources["requests"] = {**limits, **(resources.get("requests") or {})}
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")


def _default_volume(volume: Json) -> None:
    if volume.keys() == {"name"}:
        volume["emptyDir"] = {}
    for source in ("configMap", "secret", "projected"):
        if source in volume:
            volume[source].setdefault("defaultMode", 0o644)


def _tolerate_sick_nodes(spec: Json) -> None:
    tolerations = spec.setdefault("tolerations", [])
    for taint in (_NOT_READY, _UNREACHABLE):
        if any(
            (not toleration.get("key") or toleration["key"] == taint)
            and toleration.get("effect", "NoExecute") == "NoExecute"
            for toleration in tolerations
        ):
            continue
        tolerations.append(
            {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _EVICTION_DELAY_S}
        )


def quality_of_service(spec: Json) -> str:
    """Guaranteed, Burstable or BestEffort: by cpu and memory of all containers."""
    named, exact = False, True
    for _, container in containers_of(spec):
        resources = container.get("resources") or {}
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        for name in ("cpu", "memory"):
            request, limit = parse_quantity(requests.get(name, 0)), parse_quantity(limits.get(name, 0))
            named = named or bool(request or limit)
            exact = exact and bool(limit) and request == limit
    if not named:
        return "BestEffort"
    return "Guaranteed" if exact else "Burstable"


def check_spec(spec: Json) -> list[FieldError]:
    errors = [] if spec.get("containers") else [required("spec.containers")]
    seen: set[str] = set()
    for path, container in containers_of(spec):
        errors += _check_container(path, container)
        name = container.get("name")
        if name in seen:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name or "")
    if spec["restartPolicy"] not in (policies := ("Always", "OnFailure", "Never")):
        errors.append(unsupported("spec.restartPolicy", spec["restartPolicy"], policies))
    for field in ("terminationGracePeriodSeconds", "activeDeadlineSeconds"):
        if spec.get(field, 0) < 0:
            errors.append(invalid_value(f"spec.{field}", spec[field], _MUST_BE_POSITIVE))
    for name, quantity in (spec.get("overhead") or {}).items():
        errors += _check_quantity(f"spec.overhead[{name}]", quantity)
    return errors + _check_volumes(spec) + _check_gates(spec) + _check_tolerations(spec)


def check_narrowing(spec: Json, before: Json) -> list[FieldError]:
    """A gated pod may be kept to fewer nodes, never be sent to others."""
    selector, had = spec.get("nodeSelector") or {}, before.get("nodeSelector") or {}
    errors = []
    if not had.items() <= selector.items():
        why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(invalid_value("spec.nodeSelector", selector, why))
    terms, old_terms = _required_terms(spec), _required_terms(before)
    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    if old_terms and len(terms) != len(old_terms):
        why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [*errors, invalid_value(path, terms, why)]
    for row, (term, old) in enumerate(zip(terms, old_terms, strict=False)):
        if not all(_begins_with(term.get(field), old.get(field)) for field in ("matchExpressions", "matchFields")):
            why = "only additions are allowed (no mutations or deletions)"
            errors.append(invalid_value(f"{path}[{row}]", term, why))
    return errors


def _required_terms(spec: Json) -> list[Json]:
    required_terms = "requiredDuringSchedulingIgnoredDuringExecution"
    return dig(spec, "affinity", "nodeAffinity", required_terms, "nodeSelectorTerms") or []


def _begins_with(items: list[Any] | None, head: list[Any] | None) -> bool:
    return (items or [])[: len(head or ())] == (head or [])


def _check_container(path: str, container: Json) -> list[FieldError]:
    errors = []
    name = container.get("name")
    if not name:
        errors.append(required(f"{path}.name"))
    elif why := dns_label(name):
        errors.append(invalid_value(f"{path}.name", name, why))
    if not container.get("image"):
        errors.append(required(f"{path}.image"))
    if container["imagePullPolicy"] not in (policies := ("Always", "IfNotPresent", "Never")):
        errors.append(unsupported(f"{path}.imagePullPolicy", container["imagePullPolicy"], policies))
    for row, variable in enumerate(container.get("env") or ()):
        if not variable.get("name"):
            errors.append(required(f"{path}.env[{row}].name"))
    for row, port in enumerate(container.get("ports") or ()):
        if not 0 < port.get("containerPort", 0) < 65536:
            why = "must be between 1 and 65535, inclusive"
            errors.append(invalid_value(f"{path}.ports[{row}].containerPort", port.get("containerPort", 0), why))
    return errors + _check_resources(f"{path}.resources", container["resources"])


def _check_resources(path: str, resources: Json) -> list[FieldError]:
    errors = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for side, amounts in (("limits", limits), ("requests", requests)):
        for name, quantity in amounts.items():
            errors += _check_resource(f"{path}.{side}", name, quantity)
    if errors:
        return errors
    for name, request in requests.items():
        errors += _check_limit(path, name, parse_quantity(request), limits.get(name))
    return errors


def _check_resource(path: str, name: str, quantity: Any) -> list[FieldError]:
    if why := qualified_name(name):
        return [invalid_value(path, name, why)]
    if "/" not in name and name not in _STANDARD and not name.startswith("hugepages-"):
        return [invalid_value(path, name, "must be a standard resource for containers")]
    errors = _check_quantity(f"{path}[{name}]", quantity)
    if not errors and _is_extended(name) and parse_quantity(quantity) % 1:
        errors.append(invalid_value(f"{path}[{name}]", quantity, "must be an integer"))
    return errors


_STANDARD = frozenset({"cpu", "memory", "ephemeral-storage"})


def _is_extended(name: str) -> bool:
    return "/" in name and "kubernetes.io/" not in name


def _check_quantity(path: str, quantity: Any) -> list[FieldError]:
    return [invalid_value(path, quantity, _MUST_BE_POSITIVE)] if parse_quantity(quantity) < 0 else []


def _check_limit(path: str, name: str, request: Decimal, limit: str | None) -> list[FieldError]:
    if limit is None:
        if _is_extended(name):
            return [required(f"{path}.limits", "Limit must be set for non overcommitable resources")]
        return []
    if _is_extended(name) and request != parse_quantity(limit):
        return [invalid_value(f"{path}.requests", _plain(request), f"must be equal to {name} limit of {limit}")]
    if request > parse_quantity(limit):
        why = f"must be less than or equal to {name} limit of {limit}"
        return [invalid_value(f"{path}.requests", _plain(request), why)]
    return []


def _plain(amount: Decimal) -> str:
    return str(int(amount)) if amount % 1 == 0 else f"{int(amount * 1000)}m"


def _check_volumes(spec: Json) -> list[FieldError]:
    errors = []
    names: set[str] = set()
    for row, volume in enumerate(spec.get("volumes") or ()):
        name = volume.get("name") or ""
        if not name:
            errors.append(required(f"spec.volumes[{row}].name"))
        if name in names:
            errors.append(duplicate(f"spec.volumes[{row}].name", name))
        names.add(name)
    for path, container in containers_of(spec):
        for row, mount in enumerate(container.get("volumeMounts") or ()):
            if mount.get("name") not in names:
                errors.append(FieldError("FieldValueNotFound", f"{path}.volumeMounts[{row}].name", _absent(mount)))
    return errors


def _absent(mount: Json) -> str:
    return f'Not found: "{mount.get("name", "")}"'


def _check_gates(spec: Json) -> list[FieldError]:
    gates = spec.get("schedulingGates") or ()
    errors = [
        invalid_value(f"spec.schedulingGates[{row}]", gate.get("name", ""), why)
        for row, gate in enumerate(gates)
        if (why := qualified_name(gate.get("name", "")))
    ]
    if gates and spec.get("nodeName"):
        errors.append(forbidden_field("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    return errors


def _check_tolerations(spec: Json) -> list[FieldError]:
    errors = []
    for row, toleration in enumerate(spec.get("tolerations") or ()):
        path, operator = f"spec.tolerations[{row}]", toleration.get("operator", "Equal")
        if operator not in ("Equal", "Exists"):
            errors.append(unsupported(f"{path}.operator", operator, ("Equal", "Exists")))
        if not toleration.get("key") and operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            errors.append(invalid_value(f"{path}.operator", operator, why))
    return errors
