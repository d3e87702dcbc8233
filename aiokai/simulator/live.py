"""What the scheduler would see of a live cluster, read once, as a case file.

The same kinds as the operator watches, of the dialects that the configuration lists. What is not served, or forbidden,
is named and left out, as it is for the operator.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from aiokai.client.api import ApiClient
from aiokai.dialects import DIALECTS, DialectKind
from aiokai.errors import ForbiddenError, InvalidObjectError, NotFoundError
from aiokai.model import kube
from aiokai.model.base import Envelope, decode_envelope
from aiokai.model.configuration import Configuration
from aiokai.model.pod_group import PodGroup
from aiokai.model.queue import Queue
from aiokai.model.resource import CLAIMS, NAMESPACES, NODES, PODS, PRIORITY_CLASSES, VOLUMES, Resource
from aiokai.snapshot.build import Objects
from aiokai.snapshot.dump import RawGroup, dump

T = TypeVar("T")
Tell = Callable[[str], None]


async def dump_cluster(client: ApiClient, configuration: Configuration, now: datetime, source: str, tell: Tell) -> str:
    """The cluster's state as a case file in full form; `tell` is called with what could not be read.

    Raises:
        ApiError: the server does not answer.
    """
    queues: list[Queue] = []
    groups: list[PodGroup] = []
    invalid: list[RawGroup] = []
    for choice in configuration.dialects:
        dialect = DIALECTS[choice.name]
        queues += [queue for queue in await _decoded(client, dialect.queue, tell) if not isinstance(queue, Envelope)]
        for group in await _decoded(client, dialect.pod_group, tell):
            if isinstance(group, Envelope):
                invalid.append(RawGroup(dialect.name, group))
            else:
                groups.append(group)
    objects = Objects(
        nodes=await _list(client, NODES, msgspec.json.Decoder(kube.Node).decode, tell),
        pods=await _list(client, PODS, msgspec.json.Decoder(kube.Pod).decode, tell),
        queues=queues,
        pod_groups=groups,
        namespaces=await _list(client, NAMESPACES, msgspec.json.Decoder(kube.Namespace).decode, tell),
        claims=await _list(client, CLAIMS, msgspec.json.Decoder(kube.PersistentVolumeClaim).decode, tell),
        volumes=await _list(client, VOLUMES, msgspec.json.Decoder(kube.PersistentVolume).decode, tell),
        priority_classes=await _list(client, PRIORITY_CLASSES, msgspec.json.Decoder(kube.PriorityClass).decode, tell),
    )
    return dump(objects, invalid, configuration, now, source)


async def _decoded(client: ApiClient, kind: DialectKind[Any, Any], tell: Tell) -> Sequence[Any]:
    """Objects of one kind; what cannot be read as ours stays an Envelope."""
    resource = kind.resource

    def decode(raw: bytes) -> object:
        try:
            return kind.decode(raw)
        except InvalidObjectError as error:
            envelope = decode_envelope(raw)
            tell(f"{resource} {envelope.metadata.namespace}/{envelope.metadata.name} cannot be read: {error}")
            return envelope

    return await _list(client, resource, decode, tell)


async def _list(client: ApiClient, resource: Resource, decode: Callable[[bytes], T], tell: Tell) -> list[T]:
    found: list[T] = []
    try:
        async for page in client.list_pages(resource, into=msgspec.Raw):
            found += [decode(bytes(raw)) for raw in page.items]
    except (NotFoundError, ForbiddenError) as error:
        tell(f"{resource} left out: {error}")
    return found
