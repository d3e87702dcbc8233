"""Server-side apply: a client says what it wants of an object, and owns what it says.

What it no longer says goes, unless somebody else owns it. What somebody else owns and it wants to change is a conflict,
unless it forces. Source: apimachinery `util/managedfields`, and the real server.
"""

from collections.abc import Iterable
from typing import NamedTuple

from aiokai.localcluster.fieldsets import Fields, Path, compared, fields_of, listed, merged, path_text, without
from aiokai.localcluster.objects import Json, Key, dig, timestamp
from aiokai.localcluster.ownership import (
    APPLY,
    NOBODY,
    UNOWNED,
    Manager,
    Owned,
    Ownership,
    original_ownership,
    ownable,
    ownership_of,
    structure_of,
    written,
)
from aiokai.localcluster.resources import Resource
from aiokai.localcluster.status import Refusal, bad_request, conflict, not_found
from aiokai.localcluster.store import Store, Stored
from aiokai.localcluster.writes import Options, Writes


class Application(NamedTuple):
    """What a client applies."""

    config: Json
    manager: str
    force: bool


class Applies:
    """Applying to the objects of one cluster."""

    def __init__(self, store: Store, writes: Writes) -> None:
        self._store = store
        self._writes = writes

    def apply(
        self, resource: Resource, key: Key, application: Application, options: Options, subresource: str = ""
    ) -> tuple[Stored, bool]:
        """Create or change an object: what it is then, and whether it is new.

        Raises: Refusal.
        """
        wanted = _checked(resource, key, application.config)
        manager = Manager(application.manager, APPLY, resource.api_version, subresource)
        mine = frozenset(fields_of(ownable(wanted, resource, subresource), structure_of(resource)))
        options = options._replace(applies=True)
        if key not in self._store.collection(resource.collection).objects:
            if subresource:
                raise not_found(resource, key[1])
            if uid := dig(wanted, "metadata", "uid"):
                why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                raise conflict(resource, key[1], why)
            wanted["metadata"].setdefault("name", key[1])
            managed = written({manager: Owned(mine, timestamp())})
            return self._writes.create(resource, key[0], wanted, options, managed), True

        def change(live: Json) -> Json:
            return _applied(resource, live, wanted, manager, mine, force=application.force)

        return self._writes.update(resource, key, change, options, subresource), False


def _checked(resource: Resource, key: Key, config: Json) -> Json:
    """The applied object in the shape of its kind, with nothing in it that it did not say."""
    version, kind = config.get("apiVersion", ""), config.get("kind", "")
    if (version, kind) != (resource.api_version, resource.kind):
        raise bad_request(f"invalid object type: {version}, Kind={kind}")
    metadata = config.setdefault("metadata", {})
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if metadata.get("name", key[1]) != key[1]:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({key[1]})")
    said = config.keys() | {"metadata"}
    unknown = resource.shape(config)
    if unknown:
        typed = f"{metadata.get('namespace', '')}/{key[1]}; {resource.group}/{resource.version}, Kind={kind}"
        why = f".{unknown[0]}: field not declared in schema"
        raise Refusal(500, "", f"failed to create typed patch object ({typed}): {why}")
    return {name: value for name, value in config.items() if name in said}


def _applied(resource: Resource, live: Json, wanted: Json, manager: Manager, mine: Fields, *, force: bool) -> Json:
    """The live object as it is to be, with who owns what.

    Raises: Refusal 409 if somebody else owns a field that changes.
    """
    structure, seen = structure_of(resource), ownable(live, resource, manager.subresource)
    ownership = ownership_of(live) or original_ownership(live, resource)
    before = ownership.pop(manager, Owned(frozenset(), ""))
    new = merged(seen, ownable(wanted, resource, manager.subresource), structure)
    changed, _ = compared(seen, new, structure)
    conflicts = {other: owned.fields & changed for other, owned in ownership.items() if owned.fields & changed}
    if conflicts and not force:
        raise _conflicting(conflicts)
    for other, fields in conflicts.items():
        ownership[other] = ownership[other]._replace(fields=ownership[other].fields - fields)
    new = without(new, structure, before.fields - mine, _with_parents([mine, *_fields(ownership)]))
    _, gone = compared(seen, new, structure)
    ownership = {other: owned._replace(fields=owned.fields - gone) for other, owned in ownership.items()}
    time = before.time if before.fields == mine else timestamp()
    new["metadata"] = {
        **(new.get("metadata") or ({} if "metadata" in seen else live["metadata"])),
        **{name: live["metadata"][name] for name in UNOWNED if name in live["metadata"]},
        **{name: wanted["metadata"][name] for name in ("uid", "resourceVersion") if wanted["metadata"].get(name)},
        "managedFields": written({**ownership, manager: Owned(mine, time)}) or NOBODY,
    }
    return {**{name: live[name] for name in live.keys() - seen.keys()}, **new}


def _with_parents(sets: Iterable[Fields]) -> Fields:
    """What somebody owns, and the fields in which it is; a list item that nobody owns goes with all that is in it."""
    ends = ((path, end) for fields in sets for path in fields for end in range(1, len(path) + 1))
    return frozenset(path[:end] for path, end in ends if end == len(path) or path[end - 1][0] == "f")


def _fields(ownership: Ownership) -> list[Fields]:
    return [owned.fields for owned in ownership.values()]


def _conflicting(conflicts: dict[Manager, frozenset[Path]]) -> Refusal:
    found = [(manager, path_text(path)) for manager in sorted(conflicts) for path in listed(conflicts[manager])]
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": text}
        for manager, text in found
    ]
    if len(found) == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        lines = []
        for manager in sorted(conflicts):
            lines += [f"conflicts with {manager}:", *(f"- {text}" for other, text in found if other == manager)]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    return Refusal(409, "Conflict", message, {"causes": causes})
