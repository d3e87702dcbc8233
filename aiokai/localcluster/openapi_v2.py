"""OpenAPI version 2, as little of it as kubectl needs, in the one form it accepts: protobuf.

kubectl reads version 3, and falls back to version 2 for a kind that it knows only since a moment ago (a CRD and its
objects in one `kubectl apply`). Then it looks whether a PATCH of a Namespace takes `fieldValidation`; if so, the server
validates. So the document holds that one operation. Field numbers: gnostic `openapiv2/OpenAPIv2.proto`.
"""

CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

_DOCUMENT_SWAGGER, _DOCUMENT_INFO, _DOCUMENT_PATHS = 1, 2, 8
_INFO_TITLE, _INFO_VERSION = 1, 2
_PATHS_PATH = 2
_NAME, _VALUE = 1, 2
_PATH_ITEM_PATCH = 8
_OPERATION_PARAMETERS, _OPERATION_VENDOR_EXTENSION = 8, 13
_PARAMETERS_ITEM_PARAMETER, _PARAMETER_NON_BODY, _NON_BODY_QUERY = 1, 2, 3
_QUERY_IN, _QUERY_NAME, _QUERY_TYPE = 2, 4, 6
_ANY_YAML = 2
_NAMESPACE = "group: ''\nkind: Namespace\nversion: v1\n"


def document() -> bytes:
    query = _text(_QUERY_IN, "query") + _text(_QUERY_NAME, "fieldValidation") + _text(_QUERY_TYPE, "string")
    parameter = _field(_PARAMETERS_ITEM_PARAMETER, _field(_PARAMETER_NON_BODY, _field(_NON_BODY_QUERY, query)))
    kind = _text(_NAME, "x-kubernetes-group-version-kind") + _field(_VALUE, _text(_ANY_YAML, _NAMESPACE))
    patch = _field(_OPERATION_PARAMETERS, parameter) + _field(_OPERATION_VENDOR_EXTENSION, kind)
    path = _text(_NAME, "/api/v1/namespaces/{name}") + _field(_VALUE, _field(_PATH_ITEM_PATCH, patch))
    info = _text(_INFO_TITLE, "Kubernetes") + _text(_INFO_VERSION, "v1.34.0")
    return (
        _text(_DOCUMENT_SWAGGER, "2.0")
        + _field(_DOCUMENT_INFO, info)
        + _field(_DOCUMENT_PATHS, _field(_PATHS_PATH, path))
    )


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _field(number: int, content: bytes) -> bytes:
    """A field of length-delimited wire type; numbers here are all below 16, so the tag is one byte."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
