"""How log lines look: for people, or one JSON object a line for programs."""

import logging
import sys
from enum import StrEnum


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


def log_to_stderr(form: LogFormat, level: int = logging.INFO) -> None:
    """Send every log line to stderr in this form."""
    handler = logging.StreamHandler(sys.stderr)
    if form is LogFormat.JSON:
        from pythonjsonlogger.json import JsonFormatter

        handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
