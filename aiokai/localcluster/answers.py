"""In which form a client wants its objects: plain, as a table, or only their metadata.

The `Accept` header lists forms in order of preference; the first that is offered is taken, as kube-apiserver does.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aiokai.localcluster.objects import Json, encode
from aiokai.localcluster.resources import Resource
from aiokai.localcluster.status import not_acceptable
from aiokai.localcluster.store import Stored
from aiokai.localcluster.table import partial, table

_OFFERED = ("", "Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_JSON_TYPES = ("application/json", "application/*", "*/*", "")


class Form(NamedTuple):
    """How objects are to be shown."""

    name: str = ""
    """Table, PartialObjectMetadata, PartialObjectMetadataList; empty for the objects themselves."""
    include: str = "Metadata"
    """What a table row carries of its object."""

    def one(self, resource: Resource, stored: Stored) -> bytes:
        """The body that answers for a single object."""
        if not self.name:
            return resource.present(stored)
        obj = resource.opened(stored)
        if self.name == "Table":
            version = {"resourceVersion": str(stored.version)}
            return encode(table(resource.columns, [obj], version, self.include))
        return encode(partial(obj))

    def many(self, resource: Resource, found: Sequence[Stored], metadata: Json) -> bytes:
        """The body that answers for a list."""
        if self.name == "Table":
            return encode(table(resource.columns, map(resource.opened, found), metadata, self.include))
        if self.name:
            head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
            return _list_body(head, (encode(partial(resource.opened(stored))) for stored in found))
        head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata}
        return _list_body(head, map(resource.present_item, found))


def form_of(accept: str, include: str = "") -> Form:
    """Raises: Refusal 406 if nothing that the client accepts is offered."""
    for clause in accept.split(","):
        media_type, *parameters = (part.strip() for part in clause.split(";"))
        wanted = dict(parameter.partition("=")[::2] for parameter in parameters)
        if media_type in _JSON_TYPES and wanted.get("as", "") in _OFFERED:
            return Form(wanted.get("as", ""), include or "Metadata")
    raise not_acceptable("application/json")


def _list_body(head: Json, items: Iterable[bytes]) -> bytes:
    """A list whose items are encoded already."""
    return encode(head)[:-1] + b',"items":[' + b",".join(items) + b"]}"
