"""The configuration as its file says it now.

The file is read again when its content changes (a mounted ConfigMap is a link that moves, so times tell nothing). One
that cannot be used leaves the old configuration in force, and is complained about once.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from aiokai.dialects import DIALECTS
from aiokai.errors import ConfigError
from aiokai.model.configuration import Configuration, load_configuration
from aiokai.plugins import make_plugins

LOOK_EVERY_S: Final = 2.0


class ConfigFile:
    """`current` is the last usable configuration; without a file it is the default."""

    def __init__(self, path: Path | None) -> None:
        """Read the file.

        Raises:
            ConfigError: it cannot be used.
        """
        self._path = path
        self._content = _content(path)
        self.current = _usable(path) if path else Configuration()

    async def follow(self, changed: Callable[[], None], refused: Callable[[ConfigError], None]) -> NoReturn:
        """Look at the file now and then, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look(changed, refused)

    def look(self, changed: Callable[[], None], refused: Callable[[ConfigError], None]) -> None:
        """Read the file again if it says something new; tell what came of it."""
        content = _content(self._path)
        if self._path is None or content == self._content:
            return
        self._content = content
        try:
            self.current = _usable(self._path)
        except ConfigError as error:
            refused(error)
        else:
            changed()


def _usable(path: Path) -> Configuration:
    """The configuration in a file, if every name in it is known too.

    Raises:
        ConfigError: it cannot be used.
    """
    configuration = load_configuration(path)
    for i, choice in enumerate(configuration.dialects):
        if choice.name not in DIALECTS:
            known = ", ".join(DIALECTS)
            raise ConfigError(f"{path}: dialects[{i}].name: {choice.name!r} is no dialect; there are: {known}")
    try:
        make_plugins(configuration.profile)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return configuration


def _content(path: Path | None) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError:
        return None
