"""The operator as a program: its loop, its signals, its web server."""

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from aiokai.client.connection import connect
from aiokai.operator.config_file import ConfigFile
from aiokai.operator.operator import Operator
from aiokai.web.app import WebServer, health_app


def serve(kubeconfig: Path | None, config: Path | None) -> None:
    """Run the operator until SIGTERM or SIGINT.

    Raises:
        ConfigError: the configuration, or the way to the cluster, cannot be used.
    """
    uvloop.run(_serve(kubeconfig, ConfigFile(config)))


async def _serve(kubeconfig: Path | None, config_file: ConfigFile) -> None:
    async with await connect(kubeconfig) as client:
        operator = Operator(client, kubeconfig, config_file, _show_progress)
        web = WebServer(health_app(alive=operator.alive, ready=operator.ready, registry=operator.metrics.registry))
        await web.start(config_file.current.web.host, config_file.current.web.port)
        work = asyncio.create_task(operator.run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, work.cancel)
        try:
            await work
        except asyncio.CancelledError:
            pass  # told to stop
        finally:
            await web.stop()


def _show_progress(name: str, done: int, total: int) -> None:
    """One line that is written over on a terminal, else a line a kernel."""
    is_terminal = sys.stderr.isatty()
    line = f"compiling kernels {done}/{total}: {name}" if done < total else f"kernels ready ({total})"
    end = "\n" if not is_terminal or done >= total else ""
    print(f"\r\033[K{line}" if is_terminal else line, end=end, file=sys.stderr, flush=True)
