"""What the API server answers, as values and errors of ours.

A caller names the type it wants: a msgspec type is decoded straight from the bytes, `bytes` are handed on as they came,
`dict` is plain JSON. Every refusal becomes the `ApiError` that tells the caller what it can do.
"""

from collections.abc import Hashable
from functools import cache
from typing import Any, Final, TypeVar, cast

import msgspec

from aiokai.errors import (
    ApiError,
    BadRequestError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidObjectError,
    NotFoundError,
    ThrottledError,
    UnavailableError,
)
from aiokai.model.kube import KubeStruct

T = TypeVar("T")

_ERRORS: Final[dict[int, type[ApiError]]] = {
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    408: UnavailableError,
    409: ConflictError,
    410: ExpiredError,
    429: ThrottledError,
}


class StatusCause(KubeStruct, frozen=True):
    reason: str = ""
    message: str = ""
    field: str = ""


class StatusDetails(KubeStruct, frozen=True):
    name: str = ""
    kind: str = ""
    causes: tuple[StatusCause, ...] = ()
    retry_after_seconds: int = 0


class Status(KubeStruct, frozen=True):
    """What the server says instead of the wanted object."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: StatusDetails | None = None


@cache
def decoder_of(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cast("Any", kind))


def decode(kind: type[T], content: bytes | msgspec.Raw) -> T:
    """`content` as a `kind`.

    Raises:
        InvalidObjectError: it is JSON, but not a `kind`.
        UnavailableError: it is no JSON, so something else than the API server wrote it or it was cut.
    """
    if kind is bytes:
        return cast("T", bytes(content))
    if kind is type(content):
        return content
    try:
        return cast("T", decoder_of(cast("Hashable", kind)).decode(content))
    except msgspec.ValidationError as error:
        raise invalid_object(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnavailableError(f"the answer is not JSON: {error}: {_excerpt(bytes(content))}") from error


def invalid_object(error: msgspec.ValidationError) -> InvalidObjectError:
    """A decoder's complaint with the path in front: `spec.containers[0].name`."""
    complaint, _, path = str(error).partition(" - at `")
    return InvalidObjectError(path.rstrip("`").removeprefix("$").removeprefix("."), complaint)


def error_of(content: bytes, *, code: int = 0, retry_after: str | None = None, what: str = "") -> ApiError:
    """The error that a refusal stands for.

    Args:
        content: the body, a Status object or whatever a proxy on the way wrote.
        code: HTTP status; 0 takes the Status object's, as for an error inside a watch.
        retry_after: the header of that name.
        what: what was tried, put before the server's text.
    """
    try:
        status = decoder_of(Status).decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        status = Status()
    code = code or status.code or 500
    details = status.details or StatusDetails()
    kind = _ERRORS.get(code, UnavailableError if code >= 500 else BadRequestError)
    message = status.message or _excerpt(content) or "no reason given"
    return kind(
        f"{what}: {message}" if what else message,
        code=code,
        reason=status.reason,
        cause=details.causes[0].reason if details.causes else "",
        retry_after_s=_seconds(retry_after, details),
    )


def _seconds(header: str | None, details: StatusDetails) -> float | None:
    # A date, which HTTP allows as well, is never sent by kube-apiserver.
    if header is not None and header.strip().isdecimal():
        return float(header)
    return float(details.retry_after_seconds) if details.retry_after_seconds else None


def _excerpt(content: bytes) -> str:
    return content[:200].decode(errors="replace").strip()


def encode(body: msgspec.Struct | dict[str, Any] | bytes) -> bytes:
    """A body as JSON; bytes are JSON already."""
    return body if isinstance(body, bytes) else msgspec.json.encode(body)
