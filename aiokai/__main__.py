"""`python -m aiokai` is `aiokai`."""

from aiokai.cli import app

app()
