"""`aiokai operator`: the operator, for any cluster."""

from pathlib import Path
from typing import Annotated

import typer

from aiokai.cli.logs import LogFormat


def operator(
    kubeconfig: Annotated[
        Path | None, typer.Option(help="How to reach the cluster; default: $KUBECONFIG, the pod's service account.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file, read again when it changes.")] = None,
    log_format: Annotated[LogFormat, typer.Option(help="How log lines look.")] = LogFormat.TEXT,
) -> None:
    """Schedule and run Jobs on the cluster that the kubeconfig names, until told to stop."""
    from aiokai.cli.logs import log_to_stderr
    from aiokai.cli.serve import serve
    from aiokai.errors import AiokaiError

    log_to_stderr(log_format)
    try:
        serve(kubeconfig, config)
    except AiokaiError as error:
        typer.echo(f"aiokai operator: {error}", err=True)
        raise typer.Exit(1) from error
