"""Each file below is one rule: `why` says which, `expect` what follows from it, written by a person."""

from pathlib import Path

import pytest

from aiokai.simulator.check import check
from aiokai.simulator.replay import replay
from aiokai.snapshot.case import parse_case

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*/*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_golden(file: Path) -> None:
    case = parse_case(file.read_text(encoding="utf-8"), file.name)
    assert case.why, "a case says which rule it is"
    assert case.expect is not None
    assert check(case, list(replay(case, validate=True))) == []
