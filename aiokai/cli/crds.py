"""`aiokai crds`: the CustomResourceDefinitions, as files."""

from pathlib import Path
from typing import Annotated

import typer


def crds(
    folder: Annotated[Path, typer.Argument(help="Where the files are.")] = Path("crds"),
    check: Annotated[bool, typer.Option("--check", help="Only say which are stale, with exit code 1.")] = False,
) -> None:
    """Write the CustomResourceDefinitions of aiokai's kinds."""
    from aiokai.model.crd import crd_files

    texts = {folder / name: text for name, text in crd_files().items()}
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    gone = [path for path in sorted(folder.glob("*.yaml")) if path not in texts]
    if check:
        for path in (*stale, *gone):
            typer.echo(f"{path} is stale: run `make crds`", err=True)
        raise typer.Exit(1 if stale or gone else 0)
    folder.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(texts[path], encoding="utf-8")
    for path in gone:
        path.unlink()
