"""Sets of fields: which parts of an object somebody owns, and how an applied object is merged into a live one.

A field is a path of steps, spelled as `managedFields` spells them: `f:name` for a field, `k:{...}` for a list item
known by its keys, `v:...` for a member of a set. What is atomic is one field with all below it. What merges how is told
by the schema of a custom kind (`x-kubernetes-list-type` and the like), for built-in kinds by the tables below, which
were read from the OpenAPI document of Kubernetes 1.36. Source of the method: sigs.k8s.io/structured-merge-diff.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from aiokai.localcluster.objects import Json, decode, encode

Path = tuple[str, ...]
Fields = frozenset[Path]

_KEYED_LISTS = {
    "addresses": ("type",),
    "claims": ("name",),
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "ephemeralContainers": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "podIPs": ("ip",),
    "ports": ("containerPort", "protocol"),
    "resourceClaimStatuses": ("name",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
_OTHERWISE: dict[tuple[str, str], tuple[str, ...]] = {
    ("Endpoints", "addresses"): (),
    ("Endpoints", "ports"): (),
    ("EndpointSlice", "addresses"): (),
    ("EndpointSlice", "ports"): (),
    ("Job", "conditions"): (),
    ("NetworkPolicy", "ports"): (),
    ("Service", "ports"): ("port", "protocol"),
    ("ServiceAccount", "imagePullSecrets"): (),
}
_KEY_DEFAULTS = {"protocol": "TCP"}
_SETS = frozenset({"finalizers", "podCIDRs"})
_ATOMIC_MAPS = frozenset({
    "claimRef", "configMapKeyRef", "dataSource", "fieldRef", "fileKeyRef", "involvedObject", "labelSelector",
    "namespaceSelector", "nodeSelector", "podSelector", "preference", "regarding", "related",
    "requiredDuringSchedulingIgnoredDuringExecution", "resourceFieldRef", "roleRef", "scopeSelector", "secretKeyRef",
    "selector", "target", "targetRef",
})  # fmt: skip


class Structure(Protocol):
    """How the value of one field merges."""

    @property
    def keys(self) -> tuple[str, ...]:
        """By what the items of a list are known; empty if it is not such a list."""
        ...

    @property
    def key_defaults(self) -> Mapping[str, Any]: ...
    @property
    def is_set(self) -> bool: ...
    @property
    def is_atomic_map(self) -> bool: ...
    def field(self, name: str) -> "Structure": ...
    def item(self) -> "Structure": ...


class ByName(NamedTuple):
    """A field of a built-in kind: its name tells."""

    kind: str
    name: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        return _OTHERWISE.get((self.kind, self.name), _KEYED_LISTS.get(self.name, ()))

    @property
    def key_defaults(self) -> Mapping[str, Any]:
        return _KEY_DEFAULTS

    @property
    def is_set(self) -> bool:
        return self.name in _SETS

    @property
    def is_atomic_map(self) -> bool:
        return self.name in _ATOMIC_MAPS

    def field(self, name: str) -> Structure:
        return ByName(self.kind, name)

    def item(self) -> Structure:
        return ByName(self.kind)


class BySchema(NamedTuple):
    """A field of a custom kind: its schema tells."""

    node: Json
    is_root: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        keyed = self.node.get("x-kubernetes-list-type") == "map"
        return tuple(self.node.get("x-kubernetes-list-map-keys") or ()) if keyed else ()

    @property
    def key_defaults(self) -> Mapping[str, Any]:
        properties = self._below("items").get("properties") or {}
        return {name: child["default"] for name, child in properties.items() if "default" in child}

    @property
    def is_set(self) -> bool:
        return self.node.get("x-kubernetes-list-type") == "set"

    @property
    def is_atomic_map(self) -> bool:
        return self.node.get("x-kubernetes-map-type") == "atomic"

    def field(self, name: str) -> Structure:
        if self.is_root and name == "metadata":
            return ByName("", name)
        known = (self.node.get("properties") or {}).get(name)
        return BySchema(self._below("additionalProperties") if known is None else known)

    def item(self) -> Structure:
        return BySchema(self._below("items"))

    def _below(self, word: str) -> Json:
        below = self.node.get(word)
        return below if isinstance(below, dict) else {}


def children(value: Any, structure: Structure) -> dict[str, tuple[Any, Structure]] | None:
    """The parts of a value that can be owned one by one, by their step; None if it is one field as a whole."""
    if isinstance(value, dict) and not structure.is_atomic_map:
        return {f"f:{name}": (child, structure.field(name)) for name, child in value.items()}
    if isinstance(value, list) and structure.is_set:
        return {f"v:{encode(item).decode()}": (item, structure.item()) for item in value}
    if isinstance(value, list) and structure.keys and all(isinstance(item, dict) for item in value):
        return {_step(item, structure): (item, structure.item()) for item in value}
    return None


def _step(item: Json, structure: Structure) -> str:
    defaults = structure.key_defaults
    known = {key: item.get(key, defaults.get(key)) for key in sorted(structure.keys)}
    return f"k:{encode({key: value for key, value in known.items() if value is not None}).decode()}"


def fields_of(value: Any, structure: Structure, path: Path = ()) -> set[Path]:
    """All fields that a value says something about."""
    parts = children(value, structure)
    if parts is None:
        return {path}
    found: set[Path] = set()
    for step, (child, below) in parts.items():
        if step[0] != "f" or child is None or child == {}:
            found.add((*path, step))
        found |= fields_of(child, below, (*path, step))
    return found


def nodes_of(value: Any, structure: Structure, path: Path) -> set[Path]:
    """The fields of a value that was not there before, with all lists and maps in which they are."""
    found = {path}
    for step, (child, below) in (children(value, structure) or {}).items():
        found |= nodes_of(child, below, (*path, step))
    return found


def merged(live: Any, applied: Any, structure: Structure) -> Any:
    """The live value with everything in it that the applied one says."""
    before, after = children(live, structure), children(applied, structure)
    if before is None or after is None or type(live) is not type(applied):
        return applied
    parts = {step: value for step, (value, _) in before.items()}
    for step, (value, below) in after.items():
        parts[step] = merged(parts[step], value, below) if step in parts else value
    if isinstance(applied, list):
        return [parts[step] for step in _in_order(list(before), list(after))]
    return {step[2:]: value for step, value in parts.items()}


def _in_order(live: list[str], applied: list[str]) -> list[str]:
    """The applied items in their order, and between them the others where they were among the live ones."""
    wanted, common = frozenset(applied), [step for step in applied if step in live]
    ordered: list[str] = []
    while live or applied:
        first = live[0] if live else None
        if first is not None and first not in wanted:
            ordered.append(live.pop(0))
        elif first is not None and (not applied or (common and first not in (applied[0], common[0]))):
            # Its turn comes, or came, with the applied ones.
            live.pop(0)
        else:
            step = applied.pop(0)
            ordered.append(step)
            if first in ordered:
                live.pop(0)
            if common[:1] == [step]:
                common.pop(0)
    return ordered


def compared(old: Any, new: Any, structure: Structure, path: Path = ()) -> tuple[set[Path], set[Path]]:
    """The fields that were added or changed, and those that went."""
    if old == new:
        return set(), set()
    before, after = children(old, structure), children(new, structure)
    if before is None or after is None or type(old) is not type(new):
        return {path}, set()
    changed: set[Path] = set()
    gone: set[Path] = set()
    for step in before.keys() | after.keys():
        at = (*path, step)
        if step not in before:
            changed |= nodes_of(*after[step], at)
        elif step not in after:
            gone |= nodes_of(*before[step], at)
        else:
            more, less = compared(before[step][0], after[step][0], after[step][1], at)
            changed |= more
            gone |= less
    return changed, gone


def without(value: Any, structure: Structure, removed: Iterable[Path], kept: frozenset[Path]) -> Any:
    """A value without the removed fields, and without the maps that this empties, unless they are among the kept."""
    tree = as_tree(removed)
    return _without(value, structure, tree, (), kept) if tree else value


def _without(value: Any, structure: Structure, tree: Json, path: Path, kept: frozenset[Path]) -> Any:
    parts = children(value, structure)
    if parts is None:
        return value
    left = {}
    for step, (child, below) in parts.items():
        at, cut = (*path, step), tree.get(step)
        if cut is None:
            left[step] = child
            continue
        goes_itself = not cut or "." in cut
        rest = _without(child, below, cut, at, kept)
        if at in kept or (rest and not goes_itself):
            left[step] = rest
    return list(left.values()) if isinstance(value, list) else {step[2:]: child for step, child in left.items()}


def as_tree(fields: Iterable[Path]) -> Json:
    """A set of fields as `fieldsV1` writes it; `.` stands for what has fields below and is itself among them."""
    tree: Json = {}
    members = set(fields)
    for path in sorted(members):
        node = tree
        for depth, step in enumerate(path, 1):
            node = node.setdefault(step, {})
            if depth < len(path) and path[:depth] in members:
                node["."] = {}
    return tree


def from_tree(tree: Json, path: Path = ()) -> Iterator[Path]:
    for step, below in tree.items():
        if step == ".":
            yield path
        elif below:
            yield from from_tree(below, (*path, step))
        else:
            yield (*path, step)


def listed(fields: Iterable[Path]) -> list[Path]:
    """Fields in the order of the real server: of each object first its own, then those of its parts."""
    return sorted(fields, key=lambda path: [(depth < len(path), step) for depth, step in enumerate(path, 1)])


def path_text(path: Path) -> str:
    """A field as messages spell it: `.spec.containers[name="main"].image`."""
    words = []
    for step in path:
        kind, text = step[0], step[2:]
        if kind == "f":
            words.append(f".{text}")
        elif kind == "v":
            words.append(f"[={text}]")
        else:
            words.append("[" + ",".join(f"{key}={encode(value).decode()}" for key, value in decode(text).items()) + "]")
    return "".join(words)
