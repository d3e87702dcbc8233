"""The configuration as its file says it now.

The file is read again when its content changes (a mounted ConfigMap is a link that moves, so times tell nothing). One
that cannot be used leaves the old configuration in force, and is complained about once. A Volcano scheduler's
configuration is recognised by what is in it: bare, in a ConfigMap's manifest, or in the folder of a mounted ConfigMap.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from aiokai.dialects import DIALECTS
from aiokai.dialects.volcano_config import CONFIG_MAP_KEY, Reading, is_volcano_config, read_volcano_config
from aiokai.errors import ConfigError
from aiokai.model.configuration import Configuration, parse_configuration, read_yaml
from aiokai.plugins import make_plugins

LOOK_EVERY_S: Final = 2.0


class ConfigFile:
    """The file of a configuration, read when it changes.

    Attributes:
        current: the last usable configuration; without a file it is the default.
        warnings: what is said in its file and has no effect.
    """

    def __init__(self, path: Path | None) -> None:
        """Read the file.

        Raises:
            ConfigError: it cannot be used.
        """
        self._path = path / CONFIG_MAP_KEY if path and path.is_dir() else path
        self._content = _content(self._path)
        self.current, self.warnings = _usable(self._path) if self._path else Reading(Configuration(), ())

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
            self.current, self.warnings = _usable(self._path)
        except ConfigError as error:
            refused(error)
        else:
            changed()


def _usable(path: Path) -> Reading:
    """The configuration in a file, if every name in it is known too.

    Raises:
        ConfigError: it cannot be used.
    """
    content = read_yaml(path)
    if is_volcano_config(content):
        reading = read_volcano_config(content, str(path))
    else:
        reading = Reading(parse_configuration(content, str(path)), ())
    configuration = reading.configuration
    for i, choice in enumerate(configuration.dialects):
        if choice.name not in DIALECTS:
            known = ", ".join(DIALECTS)
            raise ConfigError(f"{path}: dialects[{i}].name: {choice.name!r} is no dialect; there are: {known}")
    try:
        make_plugins(configuration.profile)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return reading


def _content(path: Path | None) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError:
        return None
