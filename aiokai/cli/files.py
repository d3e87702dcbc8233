"""Files that ship with aiokai: beside the package in a source checkout, inside it when installed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_PACKAGE = Path(__file__).parent.parent


def shipped(folder: str) -> Path:
    """Where `crds` or `examples` are."""
    installed = _PACKAGE / "files" / folder
    return installed if installed.is_dir() else _PACKAGE.parent / folder


def documents(folder: Path) -> Iterator[dict[str, Any]]:
    """Every object in the YAML files of a folder, in the order of the file names."""
    for file in sorted(folder.glob("*.yaml")):
        yield from filter(None, yaml.safe_load_all(file.read_text(encoding="utf-8")))


def cache_folder() -> Path:
    """A folder of ours for what can be made again."""
    named = os.environ.get("AIOKAI_CACHE")
    folder = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aiokai"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
