"""Discovery in two answers: all resources of the core group at /api, all others at /apis.

Clients ask for it by their `Accept` header (kubectl since 1.26, client-go since 1.27) and so need no request a group
version. It says the same as discovery.py, in another order.
"""

from aiokai.localcluster.discovery import group_versions, resources
from aiokai.localcluster.objects import Json, dig
from aiokai.localcluster.resources import Catalog

CONTENT_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_WANTED = set(CONTENT_TYPE.split(";")[1:])


def is_wanted(accept: str) -> bool:
    """Whether a client names this form; where in its list does not matter, the more exact form is preferred."""
    clauses = (clause.replace(" ", "").split(";") for clause in accept.split(","))
    return any(media_type == "application/json" and set(words) >= _WANTED for media_type, *words in clauses)


def core_group(catalog: Catalog) -> Json:
    return _list([_group(catalog, "", group_versions(catalog)[""])])


def other_groups(catalog: Catalog) -> Json:
    return _list([_group(catalog, name, versions) for name, versions in group_versions(catalog).items() if name])


def _list(items: list[Json]) -> Json:
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _group(catalog: Catalog, name: str, versions: list[str]) -> Json:
    listed = [
        {"version": version, "resources": _resources(catalog, name, version), "freshness": "Current"}
        for version in versions
    ]
    return {"metadata": {"name": name} if name else {}, "versions": listed}


def _resources(catalog: Catalog, group: str, version: str) -> list[Json]:
    found: dict[str, Json] = {}
    for entry in dig(resources(catalog, group, version), "resources") or ():
        name, _, subresource = entry["name"].partition("/")
        kind = {word: entry.get(word, "") for word in ("group", "version", "kind")}
        if subresource:
            one = {"subresource": subresource, "responseKind": kind, "verbs": entry["verbs"]}
            found[name].setdefault("subresources", []).append(one)
            continue
        found[name] = {
            "resource": name,
            "responseKind": kind,
            "scope": "Namespaced" if entry["namespaced"] else "Cluster",
            "singularResource": entry["singularName"] or entry["kind"].lower(),
            "verbs": entry["verbs"],
            **{word: entry[word] for word in ("shortNames", "categories") if word in entry},
        }
    return list(found.values())
