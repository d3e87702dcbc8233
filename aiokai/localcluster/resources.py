"""What can be asked for under a URL: the resources of the API, built in or brought by a CRD.

A resource says how it is spelled (group, version, plural, kind) and what is special about it. Several resources may
share one collection of objects: events of two groups, versions of one CRD. The catalog is the only list of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from aiokai.localcluster.objects import Json, dig, encode, text_of, with_head
from aiokai.localcluster.scale import ScalePaths
from aiokai.localcluster.schema import Schema
from aiokai.localcluster.status import no_such_path
from aiokai.localcluster.store import Stored
from aiokai.localcluster.strategies import Strategy
from aiokai.localcluster.table import AGE, NAME, Column

Shape = Callable[[Json], list[str]]
"""Bring an object into the shape of its kind; returns the paths of unknown fields, which it removed."""

ALWAYS_SELECTABLE = ("metadata.name", "metadata.namespace")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind under one group and version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    shape: Shape
    strategy: Strategy
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    selectable: tuple[str, ...] = ()
    columns: tuple[Column, ...] = (NAME, AGE)
    model: str = ""
    """The client's type that describes a built-in kind."""
    schema: Schema | None = None
    """What describes a custom kind."""
    shared_with: str = ""
    """The collection of another resource whose objects these are."""
    from_stored: Callable[[Json], None] | None = None
    to_stored: Callable[[Json], None] | None = None
    scale: ScalePaths | None = None
    """Where the replicas are, if there is a scale subresource."""
    terminating: bool = False
    """It goes when its last object has gone."""
    returns_deleted: bool = False
    """A deletion answers with the object, not with a Status."""
    _paths: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), repr=False)
    _head_length: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        paths = tuple((path, tuple(path.split("."))) for path in (*ALWAYS_SELECTABLE, *self.selectable))
        object.__setattr__(self, "_paths", paths)
        head = encode({"apiVersion": self.api_version, "kind": self.kind})
        object.__setattr__(self, "_head_length", len(head))

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def collection(self) -> str:
        return self.shared_with or f"{self.plural}.{self.group}"

    def fields(self, obj: Json) -> dict[str, str]:
        """What field selectors may ask of an object."""
        return {path: text_of(dig(obj, *names)) for path, names in self._paths}

    def present(self, stored: Stored) -> bytes:
        """A stored object as this resource serves it."""
        return encode(with_head(self.opened(stored))) if self.from_stored else stored.body

    def present_item(self, stored: Stored) -> bytes:
        """A stored object inside a list: of built-in kinds without apiVersion and kind, which the list has said."""
        body = self.present(stored)
        return body if self.schema else b"{" + body[self._head_length :]

    def opened(self, stored: Stored) -> Json:
        """A private copy of a stored object, as this resource serves it."""
        obj = stored.decoded()
        if self.from_stored:
            self.from_stored(obj)
        return obj


class Catalog:
    """All resources, by where they are found."""

    def __init__(self) -> None:
        self._resources: dict[tuple[str, str, str], Resource] = {}
        self.revision = 0
        """Grows with every change, so that clients know when to read the descriptions again."""

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def add(self, resource: Resource) -> None:
        self._resources[resource.group, resource.version, resource.plural] = resource
        self.revision += 1

    def remove(self, resource: Resource) -> None:
        self._resources.pop((resource.group, resource.version, resource.plural), None)
        self.revision += 1

    def find(self, group: str, version: str, plural: str) -> Resource:
        """Raises: Refusal 404."""
        found = self._resources.get((group, version, plural))
        if found is None:
            raise no_such_path()
        return found

    def of_collection(self, collection: str) -> Resource:
        """The resource in whose form the objects of a collection are kept."""
        return next(one for one in self if one.collection == collection and one.from_stored is None)

    def group_versions(self) -> dict[str, list[str]]:
        """The versions of each group, in order of preference; the core group is ''."""
        versions: dict[str, list[str]] = {}
        for resource in self:
            known = versions.setdefault(resource.group, [])
            if resource.version not in known:
                known.append(resource.version)
        return versions

    def in_version(self, group: str, version: str) -> list[Resource]:
        return [resource for resource in self if (resource.group, resource.version) == (group, version)]
