"""The command line: one command a file, imported when it is called, so that `--help` answers at once."""

import typer

from aiokai.cli.crds import crds
from aiokai.cli.demo import demo
from aiokai.cli.dump import dump
from aiokai.cli.operator import operator
from aiokai.cli.replay import replay
from aiokai.cli.up import up
from aiokai.cli.warm_up import warm_up

app = typer.Typer(
    name="aiokai",
    help="A batch and GPU scheduler for Kubernetes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

app.command()(demo)
app.command()(up)
app.command()(operator)
app.command()(replay)
app.command()(dump)
app.command()(crds)
app.command()(warm_up)
