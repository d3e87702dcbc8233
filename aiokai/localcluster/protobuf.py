"""Objects in the wire format that Go clients like best: `application/vnd.kubernetes.protobuf`.

`kubectl create namespace`, `deployment`, `quota` and the like send it, kubectl drain too, and answering 415 does not
make them send JSON. They take JSON as an answer, so this only reads. What the field numbers mean stands in
protobuf_fields.json, written by tests/support/protobuf_fields.py from the Go types; a field that is not there is passed
over, as protobuf wants it.
"""

import base64
import datetime as dt
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from aiokai.localcluster.objects import Json, decode
from aiokai.localcluster.status import bad_request

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_LENGTHS = {_FIXED64: 8, _FIXED32: 4}
_TYPE_META, _RAW = 1, 2
_API_VERSION, _KIND = 1, 2
_PACKAGES = {"": "core/v1", "v1": "core/v1", "meta.k8s.io/v1": "meta/v1", "rbac.authorization.k8s.io/v1": "rbac/v1"}

Fields = dict[str, list[str]]
Wire = bytes | int


class _TruncatedError(Exception):
    pass


def from_protobuf(body: bytes) -> Json:
    """The object in a body, as its JSON would be.

    Raises: Refusal 400.
    """
    if not body.startswith(_MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = dict(_fields(body[len(_MAGIC) :]))
        head = {number: _as_bytes(value).decode() for number, value in _fields(_as_bytes(envelope[_TYPE_META]))}
        api_version, kind = head.get(_API_VERSION, ""), head.get(_KIND, "")
        message = f"{_PACKAGES.get(api_version) or api_version.replace('.k8s.io', '')}.{kind}"
        if message not in _table():
            # Options of a deletion come in the group of what is deleted.
            message = f"meta/v1.{kind}"
        if message not in _table():
            raise bad_request(f"no kind {kind!r} is known in protobuf for version {api_version!r}; send JSON")
        return {"apiVersion": api_version, "kind": kind, **_message(message, _as_bytes(envelope.get(_RAW, b"")))}
    except (_TruncatedError, UnicodeDecodeError, KeyError) as error:
        raise bad_request(f"the body is no Kubernetes protobuf message: {error!r}") from error


@cache
def _table() -> dict[str, Fields]:
    table: dict[str, Fields] = json.loads(Path(__file__).with_name("protobuf_fields.json").read_text())
    return table


def _message(message: str, content: bytes) -> Json:
    known = _table()[message]
    obj: Json = {}
    for number, value in _fields(content):
        if str(number) not in known:
            continue
        name, kind, *options = known[str(number)]
        if kind.startswith("list of "):
            obj.setdefault(name, []).append(_value(kind.removeprefix("list of "), value))
        elif kind.startswith("map of "):
            entry = dict(_fields(_as_bytes(value)))
            key = _as_bytes(entry.get(1, b"")).decode()
            obj.setdefault(name, {})[key] = _value(kind.removeprefix("map of "), entry.get(2, b""))
        else:
            said = _value(kind, value)
            if not name:
                obj |= said
            elif said or not options:
                # Go writes fields that are not pointers even if nobody set them; JSON leaves these out.
                obj[name] = said
    return {name: value for name, value in obj.items() if value not in ("", None)}


def _value(kind: str, value: Wire) -> Any:
    if isinstance(value, int):
        return bool(value) if kind == "bool" else _signed(value)
    match kind:
        case "string":
            return value.decode()
        case "bytes":
            return base64.b64encode(value).decode()
        case "json":
            return decode(_as_bytes(dict(_fields(value)).get(1, b"null")))
        case "quantity":
            return _as_bytes(dict(_fields(value)).get(1, b"0")).decode()
        case "int or string":
            return _int_or_string(dict(_fields(value)))
        case "time":
            return _time(dict(_fields(value)))
    return _message(kind, value)


def _int_or_string(fields: dict[int, Wire]) -> int | str:
    is_string, number, text = fields.get(1, 0), fields.get(2, 0), fields.get(3, b"")
    return _as_bytes(text).decode() if is_string else _signed(_as_int(number))


def _time(fields: dict[int, Wire]) -> str | None:
    """Seconds and nanoseconds; nothing at all is no time."""
    seconds, nanos = _signed(_as_int(fields.get(1, 0))), _as_int(fields.get(2, 0))
    if not fields:
        return None
    time = dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{time}.{nanos // 1000:06}Z" if nanos else f"{time}Z"


def _fields(content: bytes) -> Iterator[tuple[int, Wire]]:
    """Number and value of each field, in the order of the wire.

    Raises: _TruncatedError
    """
    at = 0
    while at < len(content):
        tag, at = _varint(content, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, at = _varint(content, at)
            yield number, value
            continue
        if wire_type == _BYTES:
            length, at = _varint(content, at)
        elif wire_type in _FIXED_LENGTHS:
            length = _FIXED_LENGTHS[wire_type]
        else:
            raise _TruncatedError(f"wire type {wire_type}")
        if at + length > len(content):
            raise _TruncatedError("it ends early")
        yield number, content[at : at + length]
        at += length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and where the next one is."""
    number = 0
    for shift, byte in enumerate(content[at : at + 10]):
        number |= (byte & 0x7F) << (7 * shift)
        if not byte & 0x80:
            return number, at + shift + 1
    raise _TruncatedError("a number ends early")


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _as_bytes(value: Wire) -> bytes:
    if isinstance(value, int):
        raise _TruncatedError("a number where a message should be")
    return value


def _as_int(value: Wire) -> int:
    if not isinstance(value, int):
        raise _TruncatedError("a message where a number should be")
    return value
