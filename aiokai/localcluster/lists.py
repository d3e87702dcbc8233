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


class Query(NamedTuple):
    """Which objects of a collection are asked for."""

    namespace: str = ""
    labels: Selector = ()
    fields: Selector = ()

    def wants(self, stored: Stored) -> bool:
        if self.namespace and stored.key[0] != self.namespace:
            return False
        return matches(self.labels, stored.labels) and matches(self.fields, stored.fields)


class Page(NamedTuple):
    items: list[Stored]
    metadata: Json


def list_page(store: Store, collection: Collection, query: Query, limit: int, token: str, at_least: int) -> Page:
    """One page, of all objects if `limit` is 0.

    Raises: Refusal 410 if the token has expired, 504 if version `at_least` is not reached yet.
    """
    if at_least > store.version:
        raise version_too_large(at_least, store.version)
    version, after = _opened(token) if token else (store.version, None)
    found = collection.select_at(version, query.namespace, after)
    if found is None:
        raise expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
            "without the continue parameter."
        )
    wanted = (stored for stored in found if query.wants(stored))
    if not limit:
        return Page(list(wanted), {"resourceVersion": str(version)})
    items = list(islice(wanted, limit))
    metadata: Json = {"resourceVersion": str(version)}
    rest = list(wanted)
    if rest:
        metadata["continue"] = _token(version, items[-1].key)
        # Selectors make the real server leave out the count, because it does not look ahead.
        if not query.labels and not query.fields:
            metadata["remainingItemCount"] = len(rest)
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
