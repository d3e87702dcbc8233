"""`metadata.managedFields`: who owns which fields of an object.

It is kept only for objects that somebody has applied on the server. Whatever such an object held before is put down to
`before-first-apply`, as the real server does with an object that has no managedFields; from then on every write is
recorded. Other objects carry none, so that writing pods costs nothing for it.
"""

from typing import NamedTuple

from aiokai.localcluster.fieldsets import ByName, BySchema, Fields, Structure, as_tree, compared, fields_of, from_tree
from aiokai.localcluster.objects import Json, timestamp
from aiokai.localcluster.resources import Resource

APPLY, UPDATE = "Apply", "Update"
BEFORE = "before-first-apply"
NOBODY: list[Json] = [{}]
"""How a write says that nobody owns anything any more."""
UNOWNED = frozenset({
    "name", "namespace", "generateName", "uid", "resourceVersion", "generation", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "selfLink",
})  # fmt: skip


class Manager(NamedTuple):
    """Who owns; one program is another manager for applying and for each subresource."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def __str__(self) -> str:
        where = f' with subresource "{self.subresource}"' if self.subresource else ""
        how = f" using {self.api_version}" if self.operation == UPDATE else ""
        return f'"{self.name}"{where}{how}'


class Owned(NamedTuple):
    fields: Fields
    time: str


Ownership = dict[Manager, Owned]


def structure_of(resource: Resource) -> Structure:
    return ByName(resource.kind) if resource.schema is None else BySchema(resource.schema.root, is_root=True)


def ownable(obj: Json, resource: Resource, subresource: str = "") -> Json:
    """The part of an object that a write to it, or to one of its subresources, can own."""
    seen = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind")}
    metadata = {name: value for name, value in (obj.get("metadata") or {}).items() if name not in UNOWNED}
    seen["metadata"] = metadata
    if subresource == "status":
        return {"status": seen["status"]} if "status" in seen else {}
    if "status" in resource.subresources:
        seen.pop("status", None)
    return {name: value for name, value in seen.items() if value or name != "metadata"}


def ownership_of(obj: Json) -> Ownership:
    entries = obj["metadata"].get("managedFields") or ()
    return {
        Manager(
            entry.get("manager", ""),
            entry.get("operation", ""),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
        ): Owned(frozenset(from_tree(entry.get("fieldsV1") or {})), entry.get("time", ""))
        for entry in entries
    }


def original_ownership(obj: Json, resource: Resource) -> Ownership:
    """Of an object that was never applied."""
    fields = frozenset(fields_of(ownable(obj, resource), structure_of(resource)))
    return {Manager(BEFORE, UPDATE, resource.api_version): Owned(fields, obj["metadata"]["creationTimestamp"])}


def written(ownership: Ownership) -> list[Json]:
    """As `managedFields`: first who applies, then by time."""
    ordered = sorted(ownership.items(), key=lambda item: (item[0].operation, item[1].time, item[0]))
    return [
        {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": manager.api_version,
            "time": owned.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": as_tree(owned.fields),
            **({"subresource": manager.subresource} if manager.subresource else {}),
        }
        for manager, owned in ordered
        if owned.fields
    ]


def record_update(resource: Resource, new: Json, old: Json, name: str, subresource: str) -> None:
    """Put down in `new` that a client which does not apply made it out of `old`."""
    changed, gone = compared(_all_ownable(old), _all_ownable(new), structure_of(resource))
    if not changed and not gone:
        return
    ownership = ownership_of(new)
    manager = Manager(name, UPDATE, resource.api_version, subresource)
    mine = ownership.pop(manager, Owned(frozenset(), "")).fields
    ownership = {one: owned._replace(fields=owned.fields - changed - gone) for one, owned in ownership.items()}
    ownership[manager] = Owned((mine | changed) - gone, timestamp())
    new["metadata"]["managedFields"] = written(ownership)


def _all_ownable(obj: Json) -> Json:
    metadata = {name: value for name, value in obj["metadata"].items() if name not in UNOWNED}
    return {**{name: obj[name] for name in obj.keys() - {"apiVersion", "kind"}}, "metadata": metadata}
