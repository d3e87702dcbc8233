"""Listing in pages that fit together: all pages of a list show the cluster as it was when the first was read.

The continue token holds the version of the first page and the last key that was seen. A later page is the present with
the writes since then taken back (store.py); when the log no longer reaches so far back, the token has expired.
"""

import base64
from itertools import islice
from typing import NamedTuple

import msgspec

from aiokai.localcluster.objects import Json, Key, decode, encode
from aiokai.localcluster.selectors import Selector, matches
from aiokai.localcluster.status import bad_request, expired, version_too_large
from aiokai.localcluster.store import Collection, Store, Stored

_TOKEN_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter."
)


class Query(NamedTuple):
    """Which objects of a collection are asked for."""

    namespace: str = ""
    labels: Selector = ()
    fields: Selector = ()

    def wants(self, stored: Stored) -> bool:
        if self.namespace and stored.key[0] != self.namespace:
            return False
        return matches(self.labels, stored.labels) and matches(self.fields, stored.fields)


class Portion(NamedTuple):
    """How much of a list is asked for, and as of when."""

    limit: int = 0
    """0 for all."""
    token: str = ""
    """Where the page before ended."""
    version: int = 0
    exactly: bool = False
    """As of that version, not of a later one."""


class Page(NamedTuple):
    items: list[Stored]
    metadata: Json


def list_page(store: Store, collection: Collection, query: Query, portion: Portion) -> Page:
    """One page of the objects that a query wants.

    Raises: Refusal 410 if the version is forgotten, 504 if it is not reached yet.
    """
    if portion.version > store.version:
        raise version_too_large(portion.version, store.version)
    version, after = portion.version if portion.exactly else store.version, None
    if portion.token:
        version, after = _opened(portion.token)
    found = collection.select_at(version, query.namespace, after)
    if found is None:
        raise expired(_TOKEN_EXPIRED if portion.token else f"the resourceVersion {version} of the list is too old")
    wanted = (stored for stored in found if query.wants(stored))
    limit = portion.limit
    items = list(islice(wanted, limit)) if limit else list(wanted)
    metadata: Json = {"resourceVersion": str(version)}
    if limit and next(wanted, None):
        last = items[-1].key
        metadata["continue"] = _token(version, last)
        # With selectors the real server leaves out the count, because it does not look ahead.
        if not query.labels and not query.fields:
            metadata["remainingItemCount"] = collection.count_after(last, query.namespace)
    return Page(items, metadata)


def _token(version: int, last: Key) -> str:
    return base64.urlsafe_b64encode(encode({"v": "meta.k8s.io/v1", "rv": version, "start": last})).decode().rstrip("=")


def _opened(token: str) -> tuple[int, Key]:
    try:
        content = decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = content["start"]
        return int(content["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
        raise bad_request(f"continue key is not valid: {error}") from error
