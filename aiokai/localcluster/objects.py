"""What all of localcluster knows about a Kubernetes object: it is JSON.

An object in hand is a private `dict`, decoded for one request and free to be changed; what is kept is bytes (store.py).
So nothing here copies deeply, and no two requests can see each other's half-done changes.
"""

import datetime as dt
from typing import Any

import msgspec

Json = dict[str, Any]
"""A JSON object of any kind; `Any` ends at this package."""

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def timestamp(after_s: float = 0) -> str:
    """Now, or so many seconds later, as `metadata.creationTimestamp` is written."""
    return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=after_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_since(time: str) -> float:
    return (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(time)).total_seconds()


def with_head(obj: Json) -> Json:
    """An object whose JSON begins with apiVersion and kind, whatever order they came in."""
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], **obj}


def key_of(obj: Json) -> Key:
    metadata = obj["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def dig(obj: Any, *names: str) -> Any:
    """The value under a path of names, None where the path ends early."""
    for name in names:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(name)
    return obj


def text_of(value: Any) -> str:
    """A value as field selectors and messages spell it: `true`, not `True`; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
