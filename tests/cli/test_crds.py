from pathlib import Path

from typer.testing import CliRunner

from aiokai.cli import app
from aiokai.model.crd import crd_files


def test_written_files_are_not_stale_and_changed_ones_are_named(tmp_path: Path) -> None:
    run = CliRunner().invoke
    folder = tmp_path / "crds"
    assert run(app, ["crds", str(folder)]).exit_code == 0
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == crd_files()
    assert run(app, ["crds", "--check", str(folder)]).exit_code == 0

    (folder / "aiokai.io_jobs.yaml").write_text("old", encoding="utf-8")
    (folder / "aiokai.io_gone.yaml").write_text("old", encoding="utf-8")
    checked = run(app, ["crds", "--check", str(folder)])
    assert checked.exit_code == 1
    assert "aiokai.io_jobs.yaml is stale" in checked.output
    assert "aiokai.io_gone.yaml is stale" in checked.output

    run(app, ["crds", str(folder)])
    assert {path.name for path in folder.iterdir()} == set(crd_files())
