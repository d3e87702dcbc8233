"""`aiokai demo`: the quickstart's Jobs on a small GPU cluster, watched until all has ended as it should."""

import typer


def demo() -> None:
    """Start a small GPU cluster on this machine, run the quickstart on it, and tell what happens and why."""
    from aiokai.cli.demo_run import run_demo
    from aiokai.cli.signals import run_until_told
    from aiokai.errors import AiokaiError

    try:
        as_told = run_until_told(run_demo())
    except AiokaiError as error:
        typer.echo(f"aiokai demo: {error}", err=True)
        raise typer.Exit(1) from error
    raise typer.Exit(0 if as_told else 1)
