"""What a case expects of a cycle, as it is written.

    expect: {old: running, young: evicted, want: pipelined on n0}
    expect: {a: {bound: 3, pending: 1, on: [n0, n1], reason: QueueOverCapability}, queues: {q: {nvidia.com/gpu: 4}}}

A name is a gang's or a task's. A word holds for all tasks; in a mapping the counts named are exact, and no other task
may have had a decision. What is not named at all must have had none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import Field

from aiokai.errors import InvalidObjectError
from aiokai.model.base import Amounts, Strict
from aiokai.model.reasons import Reason
from aiokai.snapshot.strict import validate

WORDS: Final = ("running", "bound", "pipelined", "evicted", "pending", "releasing", "succeeded", "failed")
QUEUES: Final = "queues"


class Expected(Strict):
    """Of one gang or task.

    Attributes:
        word: what all its tasks are; empty when counts say it.
        on: exactly the nodes that they use.
        devices: exactly the cards that they use, by their places on the nodes.
        message: a part of what people are told.
    """

    word: str = ""
    running: int | None = Field(default=None, ge=0)
    bound: int | None = Field(default=None, ge=0)
    pipelined: int | None = Field(default=None, ge=0)
    evicted: int | None = Field(default=None, ge=0)
    pending: int | None = Field(default=None, ge=0)
    releasing: int | None = Field(default=None, ge=0)
    succeeded: int | None = Field(default=None, ge=0)
    failed: int | None = Field(default=None, ge=0)
    on: tuple[str, ...] | None = None
    devices: tuple[int, ...] | None = None
    reason: str = ""
    message: str = ""
    moved: bool | None = None
    phase: Literal["Pending", "Inqueue", "Running", "Completed"] | None = None

    @property
    def counts(self) -> dict[str, int]:
        return {word: count for word in WORDS if (count := getattr(self, word)) is not None}


@dataclass(frozen=True, slots=True)
class Expectation:
    """Of one cycle: by name of gang or task, and fair shares by name of queue."""

    of: Mapping[str, Expected]
    queues: Mapping[str, Amounts] = field(default_factory=dict)


class _Shares(Strict):
    shares: dict[str, Amounts]


def read_expectations(content: object) -> tuple[Expectation, ...]:
    """One for all cycles, or one for each.

    Raises:
        InvalidObjectError: names the first thing that cannot be expected.
    """
    if isinstance(content, list):
        return tuple(_read(one, f"expect[{i}]") for i, one in enumerate(content))
    return (_read(content, "expect"),)


def _read(content: object, path: str) -> Expectation:
    if not isinstance(content, dict):
        raise InvalidObjectError(path, "is not a mapping of names to what is expected")
    try:
        shares = validate(_Shares, {"shares": content.get(QUEUES) or {}}, "").shares
    except InvalidObjectError as error:
        raise InvalidObjectError(f"{path}.{QUEUES}{error.path.removeprefix('shares')}", error.reason) from error
    return Expectation(
        {name: _expected(told, f"{path}.{name}") for name, told in content.items() if name != QUEUES}, shares
    )


def _expected(told: object, path: str) -> Expected:
    if isinstance(told, str):
        return _of_words(told, path)
    if not isinstance(told, dict):
        raise InvalidObjectError(path, f"is neither a word nor a mapping (got {told!r})")
    fields: dict[str, Any] = dict(told)
    if "word" in fields:
        raise InvalidObjectError(f"{path}.word", "unknown field")
    if isinstance(fields.get("on"), str):
        fields["on"] = [fields["on"]]
    expected = validate(Expected, fields, path)
    if expected.reason:
        _check_reason(expected.reason.partition(" ")[0], f"{path}.reason")
    return expected


def _of_words(text: str, path: str) -> Expected:
    """`bound`, `pipelined on n0`."""
    word, _, rest = text.strip().partition(" ")
    if word not in WORDS:
        raise InvalidObjectError(path, f"{word!r} is none of {', '.join(WORDS)}")
    if not rest:
        return Expected(word=word)
    on, _, node = rest.strip().partition(" ")
    if on != "on" or not node.strip() or " " in node.strip():
        raise InvalidObjectError(path, f"{text!r} is not like `{word} on NODE`")
    return Expected(word=word, on=(node.strip(),))


def _check_reason(title: str, path: str) -> None:
    titles = [reason.title for reason in Reason]
    if title not in titles:
        raise InvalidObjectError(path, f"there is no reason {title!r}; there are {', '.join(titles[1:])}")
