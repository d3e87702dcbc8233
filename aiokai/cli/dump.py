"""`aiokai dump`: the state of a live cluster, as a file that `aiokai replay` decides as the live scheduler would."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer


def dump(
    kubeconfig: Annotated[
        Path | None, typer.Option(help="How to reach the cluster; default: $KUBECONFIG, the pod's service account.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The operator's configuration file; default: the default.")
    ] = None,
) -> None:
    """Write to stdout what the scheduler reads of a cluster: no environments, arguments or other annotations."""
    from aiokai.errors import AiokaiError

    try:
        sys.stdout.write(asyncio.run(_dump(kubeconfig, config)))
    except AiokaiError as error:
        typer.echo(f"aiokai dump: {error}", err=True)
        raise typer.Exit(1) from error


async def _dump(kubeconfig: Path | None, config: Path | None) -> str:
    from datetime import UTC, datetime

    from aiokai.client.connection import connect
    from aiokai.model.configuration import Configuration, load_configuration
    from aiokai.simulator.live import dump_cluster

    configuration = load_configuration(config) if config else Configuration()
    async with await connect(kubeconfig) as client:
        now = datetime.now(UTC)
        return await dump_cluster(
            client, configuration, now, "aiokai dump", lambda line: typer.echo(f"aiokai dump: {line}", err=True)
        )
