"""`aiokai replay` as a person and a program call it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aiokai.cli import app

GOOD = """
why: Two of three start.
nodes: {n0: {cpu: 2}}
gangs: {web: {lone: true, tasks: 3, request: {cpu: 1}}, runs: {on: n0}}
expect: {web: {bound: 2, pending: 1}}
"""


@pytest.fixture
def case(tmp_path: Path) -> Path:
    path = tmp_path / "case.yaml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_tells_what_is_decided_and_why(case: Path) -> None:
    told = CliRunner().invoke(app, ["replay", str(case)])
    assert told.exit_code == 0
    assert told.stderr == ""
    assert "Two of three start." in told.stdout
    rows = {row[0]: row[1:] for line in told.stdout.splitlines() if (row := line.split(maxsplit=4))}
    assert rows["web-0"][:3] == ["1", "bound", "n0"]
    assert rows["web-2"][:3] == ["1", "pending", "-"]
    assert rows["web-2"][3] == "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu."
    assert rows["runs"][:3] == ["1", "running", "n0"]


def test_a_case_that_holds_ends_with_0(case: Path) -> None:
    told = CliRunner().invoke(app, ["replay", "--check", str(case)])
    assert (told.exit_code, told.stdout.splitlines()[-1]) == (0, "as expected")


def test_a_case_that_does_not_hold_ends_with_1_and_says_what(case: Path) -> None:
    case.write_text(GOOD.replace("bound: 2, pending: 1", "bound: 3"), encoding="utf-8")
    assert CliRunner().invoke(app, ["replay", str(case)]).exit_code == 0
    told = CliRunner().invoke(app, ["replay", "--check", str(case)])
    assert told.exit_code == 1
    head, row = told.stdout.splitlines()[-2:]
    assert head.split() == ["NAME", "CYCLE", "WANTED", "GOT", "REASON"]
    assert row.split("  ")[0] == "web"
    assert "3 bound" in row
    assert "2 bound on n0; 1 pending" in row
    assert "Unschedulable: 0/1 nodes are available" in row


def test_a_case_without_expectation_cannot_be_checked(case: Path) -> None:
    case.write_text("nodes: {n0: {cpu: 1}}", encoding="utf-8")
    assert CliRunner().invoke(app, ["replay", str(case)]).exit_code == 0
    told = CliRunner().invoke(app, ["replay", "--check", str(case)])
    assert told.exit_code == 2
    assert f"{case}: there is nothing to check" in told.stderr


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_replayed(case: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("nodes: {n0: {cpu: many}}", encoding="utf-8")
    told = CliRunner().invoke(app, ["replay", "--check", str(bad), str(tmp_path / "none.yaml"), str(case)])
    assert told.exit_code == 2
    assert f"{bad}: nodes.n0.cpu: 'many' is not a quantity" in told.stderr
    assert f"{tmp_path / 'none.yaml'}: No such file" in told.stderr
    assert "as expected" in told.stdout


def test_a_plugin_that_nobody_knows_is_named(case: Path) -> None:
    case.write_text("config: {plugins: [{name: magic}]}", encoding="utf-8")
    told = CliRunner().invoke(app, ["replay", str(case)])
    assert told.exit_code == 2
    assert f"{case}: config.plugins[0].name: there is no plugin 'magic'" in told.stderr


def test_json_is_one_object_a_file(case: Path) -> None:
    told = CliRunner().invoke(app, ["replay", "--check", "-o", "json", str(case), str(case)])
    assert told.exit_code == 0
    first, second = map(json.loads, told.stdout.splitlines())
    assert first == second
    assert first["mismatches"] == []
    (cycle,) = first["cycles"]
    gangs = {gang["name"]: gang for gang in cycle["gangs"]}
    assert gangs["web-2"]["reason"] == "Unschedulable"
    assert gangs["web-0"]["tasks"] == [
        {"name": "web-0", "state": "bound", "node": "n0", "devices": [], "decided": True}
    ]


def test_cycles_are_told_one_by_one(case: Path) -> None:
    case.write_text(GOOD + "cycles: 2\nthen: {bound: succeeded}\n", encoding="utf-8")
    told = CliRunner().invoke(app, ["replay", str(case)])
    assert "cycle 1  2026-01-01T00:00:00+00:00" in told.stdout
    assert "cycle 2  2026-01-01T00:00:01+00:00" in told.stdout


def test_a_case_may_come_from_a_pipe() -> None:
    told = CliRunner().invoke(app, ["replay", "--check", "-"], input=GOOD)
    assert told.exit_code == 0
