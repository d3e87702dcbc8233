"""The configuration follows its file, and a bad file changes nothing."""

from pathlib import Path

import pytest

from aiokai.errors import ConfigError
from aiokai.operator.config_file import ConfigFile


class Told:
    def __init__(self, file: ConfigFile) -> None:
        self._file = file
        self.changes = 0
        self.refusals: list[str] = []

    def _changed(self) -> None:
        self.changes += 1

    def look(self) -> None:
        self._file.look(self._changed, lambda error: self.refusals.append(str(error)))


def test_without_a_file_it_is_the_default() -> None:
    file = ConfigFile(None)
    Told(file).look()
    assert file.current.cycle.period == 1.0


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("cycle: {period: soon}", "cycle.period"),
        ("cycles: {}", "cycles"),
        ("profiles: [{plugins: [{name: magic}]}]", "magic"),
        ("dialects: [{name: slurm}]", "dialects[0].name"),
        ("- a list", "mapping"),
        ("{", "expected"),
    ],
)
def test_a_bad_file_ends_the_start_with_its_name_the_path_and_the_reason(tmp_path: Path, text: str, path: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        ConfigFile(file)
    assert str(error.value).startswith(f"{file}: ")
    assert path in str(error.value)


def test_a_missing_file_is_a_bad_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        ConfigFile(tmp_path / "config.yaml")


def test_a_change_is_taken_up_and_a_bad_one_complained_about_once(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("cycle: {period: 2s}")
    file = ConfigFile(path)
    told = Told(file)
    told.look()
    assert (told.changes, told.refusals) == (0, [])

    path.write_text("cycle: {period: 3s}")
    told.look()
    told.look()
    assert (told.changes, file.current.cycle.period) == (1, 3.0)

    path.write_text("cycle: {period: never}")
    told.look()
    told.look()
    assert len(told.refusals) == 1
    assert file.current.cycle.period == 3.0

    path.write_text("cycle: {period: 4s}")
    told.look()
    assert (told.changes, file.current.cycle.period) == (2, 4.0)
