"""The `Status` answers of a Kubernetes API, and the one exception that becomes them.

Clients branch on `code` and `reason`, people read `message`, controllers read `details.causes`; all are spelled as
kube-apiserver spells them (apimachinery `pkg/api/errors`), because programs in the field match on each.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

from aiokai.localcluster.objects import Json, encode


class Refusal(Exception):  # noqa: N818 - an answer to a client, not a fault of this program
    """A request that is answered with a failure `Status`."""

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> Json:
        body: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return body | {"code": self.code}


class FieldError(NamedTuple):
    """One thing wrong with one field; `str()` is how kube-apiserver words it."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class Named(Protocol):
    """What a message says about a resource."""

    @property
    def group(self) -> str: ...
    @property
    def plural(self) -> str: ...
    @property
    def kind(self) -> str: ...


def required(field: str, why: str = "") -> FieldError:
    return FieldError("FieldValueRequired", field, f"Required value: {why}" if why else "Required value")


def invalid_value(field: str, value: Any, why: str) -> FieldError:
    return FieldError("FieldValueInvalid", field, f"Invalid value: {quoted(value)}: {why}")


def forbidden_field(field: str, why: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, f"Forbidden: {why}")


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", field, f"Duplicate value: {quoted(value)}")


def unsupported(field: str, value: Any, supported: Sequence[Any]) -> FieldError:
    names = ", ".join(quoted(name) for name in supported)
    return FieldError("FieldValueNotSupported", field, f"Unsupported value: {quoted(value)}: supported values: {names}")


def quoted(value: Any) -> str:
    """A value as Go's field errors print it."""
    return encode(value).decode()


def success(details: Json | None = None) -> Json:
    body: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return body | {"details": details} if details else body


def details_of(resource: Named, name: str) -> Json:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}


def qualified(resource: Named) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def not_found(resource: Named, name: str) -> Refusal:
    return Refusal(404, "NotFound", f'{qualified(resource)} "{name}" not found', details_of(resource, name))


def no_such_path() -> Refusal:
    return Refusal(404, "NotFound", "the server could not find the requested resource")


def already_exists(resource: Named, name: str) -> Refusal:
    message = f'{qualified(resource)} "{name}" already exists'
    return Refusal(409, "AlreadyExists", message, details_of(resource, name))


def conflict(resource: Named, name: str, why: str, subresource: str = "") -> Refusal:
    details = details_of(resource, name)
    what = qualified(resource)
    if subresource:
        details["kind"] += f"/{subresource}"
        what = f"{resource.plural}/{subresource}" + (f".{resource.group}" if resource.group else "")
    return Refusal(409, "Conflict", f'Operation cannot be fulfilled on {what} "{name}": {why}', details)


def modified(resource: Named, name: str) -> Refusal:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def invalid(resource: Named, name: str, errors: Sequence[FieldError]) -> Refusal:
    texts = ", ".join(dict.fromkeys(str(error) for error in errors))
    message = f'{resource.kind}{f".{resource.group}" if resource.group else ""} "{name}" is invalid: '
    message += f"[{texts}]" if len(errors) > 1 else texts
    details = details_of(resource, name) | {"kind": resource.kind}
    details["causes"] = [error._asdict() for error in errors]
    return Refusal(422, "Invalid", message, details)


def invalid_options(kind: str, error: FieldError) -> Refusal:
    """The query of a request makes no sense."""
    message = f'{kind}.meta.k8s.io "" is invalid: {error}'
    return Refusal(422, "Invalid", message, {"kind": kind, "group": "meta.k8s.io", "causes": [error._asdict()]})


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


def forbidden(resource: Named, name: str, why: str, cause: Json | None = None) -> Refusal:
    details = details_of(resource, name) | ({"causes": [cause]} if cause else {})
    return Refusal(403, "Forbidden", f'{qualified(resource)} "{name}" is forbidden: {why}', details)


def method_not_allowed(resource: Named) -> Refusal:
    message = "the server does not allow this method on the requested resource"
    return Refusal(405, "MethodNotAllowed", message, details_of(resource, ""))


def not_acceptable(accepted: str) -> Refusal:
    message = f"only the following media types are accepted: {accepted}"
    return Refusal(406, "NotAcceptable", message)


def expired(message: str) -> Refusal:
    return Refusal(410, "Expired", message)


def unsupported_media_type(content_type: str, accepted: str) -> Refusal:
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", f"{message} (got {content_type})")


def too_large(limit_bytes: int) -> Refusal:
    return Refusal(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit_bytes}")


def internal_error(why: str) -> Refusal:
    return Refusal(500, "InternalError", f"Internal error occurred: {why}", {"causes": [{"message": why}]})


def version_too_large(wanted: int, current: int) -> Refusal:
    details = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    return Refusal(504, "Timeout", message, {**details, "retryAfterSeconds": 1})
