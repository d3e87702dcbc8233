"""The API server over HTTP: list, watch, write; its refusals made ours."""

from aiokai.client.api import ApiClient, WatchEvent
from aiokai.client.connection import connect
from aiokai.model.resource import Resource

__all__ = ["ApiClient", "Resource", "WatchEvent", "connect"]
