"""The operator as a program: its loop, its signals, its web server."""

import sys
from pathlib import Path

from aiokai.cli.signals import run_until_told
from aiokai.client.connection import connect
from aiokai.errors import ConfigError
from aiokai.operator.config_file import ConfigFile
from aiokai.operator.operator import Operator
from aiokai.web.app import WebServer, health_app


def serve(kubeconfig: Path | None, config: Path | None) -> None:
    """Run the operator until SIGTERM or SIGINT.

    Raises:
        ConfigError: the configuration, or the way to the cluster, cannot be used.
    """
    run_until_told(_serve(kubeconfig, ConfigFile(config)))


async def _serve(kubeconfig: Path | None, config_file: ConfigFile) -> None:
    async with await connect(kubeconfig) as client:
        operator = Operator(client, kubeconfig, config_file, _show_progress)
        web = WebServer(health_app(alive=operator.alive, ready=operator.ready, registry=operator.metrics.registry))
        listens = config_file.current.web
        try:
            await web.start(listens.host, listens.port)
        except OSError as error:
            raise ConfigError(f"web: cannot listen on {listens.host}:{listens.port}: {error.strerror}") from error
        try:
            await operator.run()
        finally:
            await web.stop()


def _show_progress(name: str, done: int, total: int) -> None:
    """One line that is written over on a terminal, else a line a kernel."""
    is_terminal = sys.stderr.isatty()
    line = f"compiling kernels {done + 1}/{total}: {name}" if done < total else "kernels are ready"
    start, end = ("\r\033[K", "" if done < total else "\n") if is_terminal else ("", "\n")
    print(f"{start}{line}", end=end, file=sys.stderr, flush=True)
