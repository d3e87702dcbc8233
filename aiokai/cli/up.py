"""`aiokai up`: a cluster in this terminal, to try things on with kubectl."""

from pathlib import Path
from typing import Annotated

import typer


def up(
    port: Annotated[int, typer.Option(help="Of the Kubernetes API; another one is taken if it is not free.")] = 8001,
    kubeconfig: Annotated[Path | None, typer.Option(help="Where to write it; default: in the cache folder.")] = None,
) -> None:
    """Start a small GPU cluster with aiokai on this machine, and keep it running until Ctrl-C."""
    from aiokai.cli.signals import run_until_told
    from aiokai.errors import AiokaiError

    try:
        ended = run_until_told(_up(port, kubeconfig))
    except AiokaiError as error:
        typer.echo(f"aiokai up: {error}", err=True)
        raise typer.Exit(1) from error
    if ended is not None:
        raise typer.Exit(ended or 1)
    typer.echo("stopped")


async def _up(port: int, kubeconfig: Path | None) -> int:
    """Run until the operator ends by itself, which it should not; its exit code."""
    from aiokai.cli.files import cache_folder
    from aiokai.cli.playground import playground

    kubeconfig = kubeconfig or cache_folder() / "kubeconfig"
    async with playground(kubeconfig=kubeconfig, port=port, say=typer.echo) as cluster:
        await cluster.operator.wait_until_ready()
        typer.echo(f"metrics on {cluster.operator.url}/metrics")
        typer.echo(f"\n  export KUBECONFIG={kubeconfig}\n  kubectl apply -f examples/quickstart\n")
        typer.echo("Ctrl-C ends everything; nothing is kept.")
        return await cluster.operator.wait()
