"""The configuration follows its file, and a bad file changes nothing."""

from pathlib import Path

import pytest
import yaml

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


VOLCANO = """
actions: "enqueue, allocate"
tiers:
- plugins: [{name: gang}, {name: binpack}, {name: tdm}]
"""


def test_a_volcano_schedulers_configuration_is_read_wherever_it_stands(tmp_path: Path) -> None:
    bare, manifest, mounted = tmp_path / "bare.conf", tmp_path / "manifest.yaml", tmp_path / "mounted"
    bare.write_text(VOLCANO)
    manifest.write_text(yaml.safe_dump({"kind": "ConfigMap", "data": {"volcano-scheduler.conf": VOLCANO}}))
    mounted.mkdir()
    (mounted / "volcano-scheduler.conf").write_text(VOLCANO)
    for path in (bare, manifest, mounted):
        file = ConfigFile(path)
        assert [plugin.name for plugin in file.current.profile.plugins] == ["gang", "binpack"]
        assert any("tdm" in warning for warning in file.warnings)


def test_what_has_no_effect_is_named_anew_when_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "volcano-scheduler.conf"
    path.write_text(VOLCANO)
    file = ConfigFile(path)
    path.write_text("cycle: {period: 2s}")
    Told(file).look()
    assert file.warnings == ()


def test_a_scheduler_name_stands_for_one_dialect(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("dialects: [{name: aiokai, schedulerNames: [volcano]}, {name: volcano, schedulerNames: [volcano]}]")
    with pytest.raises(ConfigError, match="'volcano' is listed for two dialects: aiokai, volcano"):
        ConfigFile(path)
