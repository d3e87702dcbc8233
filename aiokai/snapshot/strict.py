"""Fields that nobody knows, at any depth: in a file that only aiokai reads they are mistakes.

The models of objects ignore them, since the API server has pruned what it does not know. A case file has no such
server before it, and a misspelt `minMembr` there would quietly make another case.
"""

import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel, ValidationError

from aiokai.errors import InvalidObjectError
from aiokai.model.base import invalid_object

ModelT = TypeVar("ModelT", bound=BaseModel)
StructT = TypeVar("StructT", bound=msgspec.Struct)


def validate(kind: type[ModelT], content: object, path: str) -> ModelT:
    """`content` as a pydantic model.

    Raises:
        InvalidObjectError: names the first wrong field below `path`.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise invalid_object(path, error) from error


def convert(kind: type[StructT], content: object, path: str) -> StructT:
    """`content` as fields of a Kubernetes object.

    Raises:
        InvalidObjectError: names the first wrong field below `path`.
    """
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        complaint, _, where = str(error).partition(" - at `$")
        raise InvalidObjectError(path + where.rstrip("`"), complaint) from error


def refuse_unknown(kind: Any, content: object, path: str) -> None:
    """Look for fields that `kind`, a pydantic model or a msgspec struct, or a container of such, does not have.

    Raises:
        InvalidObjectError: names the first one.
    """
    kind = _without_wrapping(kind)
    if isinstance(content, Mapping):
        if get_origin(kind) is dict:
            for name, value in content.items():
                refuse_unknown(get_args(kind)[1], value, f"{path}.{name}")
        elif fields := _fields_of(kind):
            for name, value in content.items():
                if name not in fields:
                    raise InvalidObjectError(f"{path}.{name}", f"unknown field; there are {', '.join(sorted(fields))}")
                refuse_unknown(fields[name], value, f"{path}.{name}")
    elif isinstance(content, Sequence) and not isinstance(content, str) and get_origin(kind) is tuple:
        for i, value in enumerate(content):
            refuse_unknown(get_args(kind)[0], value, f"{path}[{i}]")


def _without_wrapping(kind: Any) -> Any:
    """The type inside `Annotated[…]` and `… | None`."""
    if get_origin(kind) is Annotated:
        return _without_wrapping(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return next((_without_wrapping(one) for one in get_args(kind) if one is not type(None)), kind)
    return kind


def _fields_of(kind: Any) -> dict[str, Any]:
    """Field types by the names that users write."""
    if not isinstance(kind, type):
        return {}
    if issubclass(kind, BaseModel):
        return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    if issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind)
        return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(kind)}
    return {}
