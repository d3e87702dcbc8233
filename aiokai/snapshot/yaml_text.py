"""YAML as people mean it in a case file.

YAML 1.1, which PyYAML reads, takes the key `on` for True, `12:30` for a number and lets the second of two equal keys
win. Here words are words, times stay text for whoever reads them, and a key that occurs twice is an error.
"""

import re
from typing import Any, ClassVar, Final

import yaml

from aiokai.errors import DumpError

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BOOL, _INT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int"
_REPLACED: Final = {_BOOL, _INT, "tag:yaml.org,2002:timestamp"}


class _Loader(_Base):  # type: ignore[misc]  # the C loader where there is one
    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} occurs twice", key.start_mark
                    )
                seen.add(key.value)
        content: dict[Any, Any] = super().construct_mapping(node, deep)
        return content


_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(_INT, re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))


def read_yaml(text: str, source: str) -> object:
    """What a YAML text says.

    Raises:
        DumpError: it is no YAML, or a mapping in it has a key twice; names `source` and the line.
    """
    try:
        content: object = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}, column {mark.column + 1}:" if mark is not None else ""
        raise DumpError(f"{source}:{where} {getattr(error, 'problem', None) or error}") from error
    return content


def write_yaml(content: object) -> str:
    """`content` as YAML, keys in their order."""
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    return text
