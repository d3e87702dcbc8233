"""What every kind that users write has in common: a typed spec, a typed status, an identity, and errors with a path.

Specs are pydantic models in camelCase, frozen. The API server has pruned unknown fields before they arrive here, so
they are ignored; a configuration or a case file is read by nobody else, so there they are errors (`Strict`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, TypeVar

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from aiokai.errors import InvalidObjectError
from aiokai.model.duration import DURATION_PATTERN, duration_to_seconds
from aiokai.model.kube import KubeStruct, ObjectMeta
from aiokai.model.quantity import parse_quantity, quantity_to_base


class Rule(NamedTuple):
    """What the API server checks by itself (CEL), so that `kubectl apply` says no; a validator here says the same."""

    cel: str
    message: str


class WrongFieldError(ValueError):
    """Raised by a validator of a whole model: names the field below it that is wrong."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path


class UserModel(BaseModel):
    """Base of what users write in an object.

    Attributes:
        rules: the CEL twins of the model's validators, for the CRD.
    """

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore")
    rules: ClassVar[tuple[Rule, ...]] = ()


class Strict(BaseModel):
    """Base of what only aiokai reads: an unknown field is a mistake."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid")


def _quantity(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a quantity such as 4, 500m or 16Gi is wanted")
    if parse_quantity(value) < 0:
        raise ValueError(f"{value!r} is negative")
    return str(value)


def _duration(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a duration such as 90s, 10m or 1h30m is wanted")
    return duration_to_seconds(value)


Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}),
]


def _countable(amounts: dict[str, str]) -> dict[str, str]:
    for resource, amount in amounts.items():
        try:
            quantity_to_base(resource, amount)
        except ValueError as error:
            raise WrongFieldError(resource, str(error)) from error
    return amounts


Amounts = Annotated[dict[str, Quantity], AfterValidator(_countable)]
"""Resource name to quantity, as in a pod's requests; none too large for the arrays."""


def _small(count: int) -> int:
    if abs(count) >= 2**31:
        raise ValueError("is too large")
    return count


Count = Annotated[int, AfterValidator(_small)]
"""A number that arrays hold in 32 bits."""

Seconds = Annotated[
    float,
    BeforeValidator(_duration),
    PlainSerializer(lambda seconds: f"{Decimal(str(seconds)).normalize():f}s", when_used="json"),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN}),
]
"""Written as a duration, held in seconds."""

Timestamp = Annotated[
    datetime, PlainSerializer(lambda at: at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), when_used="json")
]
"""Written as Kubernetes writes times: UTC, whole seconds."""


class Identity(NamedTuple):
    """Names one object of a kind: the same name may stand in two dialects."""

    dialect: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


SpecT = TypeVar("SpecT", bound=UserModel)
StatusT = TypeVar("StatusT", bound=UserModel)


@dataclass(frozen=True, slots=True)
class Custom(Generic[SpecT, StatusT]):
    """An object of a kind of ours, or of another system read as ours.

    Attributes:
        without_effect: paths of fields that another system acts on, that are set here, and that aiokai does not know.
    """

    dialect: str
    metadata: ObjectMeta
    spec: SpecT
    status: StatusT
    without_effect: tuple[str, ...] = ()

    @property
    def identity(self) -> Identity:
        return Identity(self.dialect, self.metadata.namespace, self.metadata.name)


class Envelope(KubeStruct, frozen=True):
    """The outer shape of any object, before its spec is looked at."""

    metadata: ObjectMeta = ObjectMeta()
    spec: dict[str, Any] | None = None
    status: dict[str, Any] | None = None


_envelope_decoder = msgspec.json.Decoder(Envelope)


def decode_envelope(raw: bytes) -> Envelope:
    """The outer shape of an object.

    Raises:
        InvalidObjectError: it is no object.
    """
    try:
        return _envelope_decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise InvalidObjectError("", str(error)) from error


def decode_custom(
    raw: bytes | Envelope, dialect: str, spec: type[SpecT], status: type[StatusT]
) -> Custom[SpecT, StatusT]:
    """Read an object as `spec` and `status`; a status that cannot be read counts as empty, since we write it.

    Raises:
        InvalidObjectError: names the first wrong field by its path and says what is wrong with it.
    """
    envelope = raw if isinstance(raw, Envelope) else decode_envelope(raw)
    try:
        told = spec.model_validate(envelope.spec or {})
    except ValidationError as error:
        raise invalid_object("spec", error) from error
    return Custom(dialect, envelope.metadata, told, decode_status(status, envelope.status or {}))


def decode_status(status: type[StatusT], content: Mapping[str, Any]) -> StatusT:
    """Read a status; one that cannot be read counts as empty, since we write it."""
    try:
        return status.model_validate(content)
    except ValidationError:
        return status()


def invalid_object(root: str, error: ValidationError) -> InvalidObjectError:
    """The first problem that pydantic found, as `root.path[0].field: reason (got value)`."""
    first = error.errors(include_url=False)[0]
    path = root
    for step in first["loc"]:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    reason = first["msg"].removeprefix("Value error, ")
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, WrongFieldError):
        separator = "." if path and not cause.path.startswith("[") else ""
        return InvalidObjectError(path + separator + cause.path, reason)
    if first["type"] == "extra_forbidden":
        return InvalidObjectError(path, "unknown field")
    shown = repr(first["input"])
    if first["type"] != "missing" and shown not in reason and len(shown) <= 80:
        reason += f" (got {shown})"
    return InvalidObjectError(path, reason)
