"""The model's resources as the client's."""

from aiokai.client.resource import Resource as Served
from aiokai.model.resource import Resource


def served_at(resource: Resource) -> Served:
    """Where the client finds a kind that the model names."""
    return Served(resource.group, resource.version, resource.plural, resource.namespaced)
