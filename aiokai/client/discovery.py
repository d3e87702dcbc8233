"""Which kinds the API server has."""

from typing import Final

from aiokai.client.api import LIST_TIMEOUT_S, ApiClient
from aiokai.errors import NotFoundError
from aiokai.model.kube import KubeStruct
from aiokai.model.resource import Resource

_CORE: Final = "v1"


class Served(KubeStruct, frozen=True):
    """A kind that the server has, or a subresource of one."""

    name: str
    kind: str
    namespaced: bool = False
    verbs: tuple[str, ...] = ()


class _Served(KubeStruct, frozen=True):
    resources: tuple[Served, ...] = ()


async def served(client: ApiClient, api_version: str) -> tuple[Served, ...]:
    """What the server has under an `apiVersion` such as `batch/v1`; nothing if it does not know it."""
    root = f"/api/{api_version}" if api_version == _CORE else f"/apis/{api_version}"
    try:
        return (await client.get_path(root, into=_Served, timeout_s=LIST_TIMEOUT_S)).resources
    except NotFoundError:
        return ()


async def is_served(client: ApiClient, resource: Resource) -> bool:
    return any(one.name == resource.plural for one in await served(client, resource.api_version))


async def resource_of(client: ApiClient, api_version: str, kind: str) -> Resource:
    """Where objects that say this `apiVersion` and `kind` are found.

    Raises:
        NotFoundError: the server has no such kind.
    """
    for one in await served(client, api_version):
        if one.kind == kind and "/" not in one.name:
            group, _, version = api_version.rpartition("/")
            return Resource(group, version, one.name, one.kind, one.namespaced)
    raise NotFoundError(f"the server has no kind {kind} in {api_version}", code=404)
