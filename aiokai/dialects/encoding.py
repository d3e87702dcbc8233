"""From the model to JSON as it is written to the API server."""

from typing import Any

from pydantic import BaseModel


def encode_model(part: BaseModel) -> dict[str, Any]:
    """A spec or status as JSON: no nulls and nothing empty, but zeros and False, which say something."""
    return {
        name: value for name, old in part.model_dump(mode="json", by_alias=True).items() if _says(value := _lean(old))
    }


def _lean(value: object) -> object:
    if isinstance(value, dict):
        return {name: lean for name, old in value.items() if _says(lean := _lean(old))}
    if isinstance(value, list):
        return [_lean(item) for item in value]
    return value


def _says(value: object) -> bool:
    return value is not None and value not in ("", [], {})
