"""`aiokai replay`: what aiokai decides on the state in a file, and why."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aiokai.snapshot.case import Case


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"


def replay(
    files: Annotated[list[Path], typer.Argument(help="Case files, or what `aiokai dump` wrote.", metavar="FILE…")],
    check: Annotated[bool, typer.Option("--check", help="Compare with what the files expect.")] = False,
    output: Annotated[
        Output, typer.Option("-o", "--output", help="json: one object a file, a line each.")
    ] = Output.TEXT,
) -> None:
    """Decide the state in each file, and tell what is decided and why. Nothing is changed anywhere.

    Exit code with --check: 1 if something is not as expected, 2 if a file expects nothing; 2 for a file that cannot
    be read.
    """
    from aiokai.errors import DumpError

    worst = 0
    for file in files:
        try:
            case = _read(file)
            worst = max(worst, _run(case, output, check=check, titled=len(files) > 1))
        except DumpError as error:
            typer.echo(f"aiokai replay: {error}", err=True)
            worst = 2
    raise typer.Exit(worst)


def _read(file: Path) -> "Case":
    from aiokai.errors import DumpError
    from aiokai.snapshot.case import parse_case

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DumpError(f"{file}: {reason}") from error
    return parse_case(text, str(file))


def _run(case: "Case", output: Output, *, check: bool, titled: bool) -> int:
    """Replay one case; returns the exit code for it."""
    from aiokai.cli import replay_view
    from aiokai.cli.kernels import prepare_kernels
    from aiokai.simulator.check import check as compare
    from aiokai.simulator.replay import replay as decide

    if check and case.expect is None:
        typer.echo(f"aiokai replay: {case.source}: there is nothing to check: it has no `expect`", err=True)
        return 2
    prepare_kernels()
    outcomes = list(decide(case, validate=check))
    mismatches = compare(case, outcomes) if check else []
    if output is Output.JSON:
        typer.echo(replay_view.as_json(case, outcomes, mismatches if check else None))
    else:
        replay_view.show(case, outcomes, mismatches if check else None, titled=titled)
    return 1 if mismatches else 0
