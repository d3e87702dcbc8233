"""What the API says about itself: versions, groups, and the resources of each group version."""

from aiokai.localcluster.objects import Json
from aiokai.localcluster.resources import Catalog, Resource

VERSION: Json = {
    "major": "1",
    "minor": "34",
    "gitVersion": "v1.34.0+aiokai",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "cpython",
    "platform": "linux/amd64",
}
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_SUBRESOURCE_KINDS: dict[str, Json] = {
    "binding": {"kind": "Binding"},
    "eviction": {"group": "policy", "version": "v1", "kind": "Eviction"},
    "scale": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
}
_SUBRESOURCE_VERBS = {"binding": ["create"], "eviction": ["create"], "log": ["get"], "finalize": ["update"]}
_NAMELESS = {"singularName": "", "namespaced": False}
_REVIEWS = {"authorization.k8s.io": {"v1": [("selfsubjectaccessreviews", "SelfSubjectAccessReview")]}}
"""Resources that only answer a POST and keep nothing."""


def core_versions() -> Json:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def groups(catalog: Catalog) -> Json:
    listed = [_group(name, known) for name, known in group_versions(catalog).items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def group_versions(catalog: Catalog) -> dict[str, list[str]]:
    """The versions of each group; the core group is ''."""
    return {**{group: list(known) for group, known in _REVIEWS.items()}, **catalog.group_versions()}


def group(catalog: Catalog, name: str) -> Json | None:
    versions = group_versions(catalog).get(name)
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name, versions) if versions else None


def resources(catalog: Catalog, group_name: str, version: str) -> Json | None:
    listed = [entry for resource in catalog.in_version(group_name, version) for entry in _entries(resource)]
    for plural, kind in _REVIEWS.get(group_name, {}).get(version, ()):
        listed.append({"name": plural, "kind": kind, "verbs": ["create"], **_NAMELESS})
    if not listed:
        return None
    if not group_name:
        listed.append({"name": "bindings", "kind": "Binding", "verbs": ["create"], **_NAMELESS, "namespaced": True})
    group_version = f"{group_name}/{version}" if group_name else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}


def is_review(group_name: str, version: str, plural: str) -> bool:
    return any(plural == name for name, _ in _REVIEWS.get(group_name, {}).get(version, ()))


def _group(name: str, versions: list[str]) -> Json:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _entries(resource: Resource) -> list[Json]:
    entry: Json = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _VERBS,
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return [entry] + [
        {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            **_SUBRESOURCE_KINDS.get(name, {}),
            "verbs": _SUBRESOURCE_VERBS.get(name, ["get", "patch", "update"]),
        }
        for name in sorted(resource.subresources)
    ]
