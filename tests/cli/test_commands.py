"""The command line as a user meets it."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest


def aiokai(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aiokai", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
    )


def test_help_names_the_commands_and_loads_none_of_them() -> None:
    told = aiokai("--help")
    assert told.returncode == 0
    for command in ("demo", "up", "operator", "crds"):
        assert command in told.stdout
    heavy = subprocess.run(
        [
            sys.executable,
            "-c",
            "import aiokai.cli, sys; print([m for m in ('kopf', 'numba', 'pydantic') if m in sys.modules])",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert heavy.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.timeout(300)  # the first run compiles the kernels
def test_the_demo_ends_as_it_should_and_says_why_the_hopeless_gang_waits() -> None:
    told = aiokai("demo")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "✔ inference: 4 pods shared one card." in told.stdout
    assert "nvidia.com/gpu: 32" in " ".join(told.stdout.split())
    assert "✘" not in told.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)  # the first run compiles the kernels
async def test_up_serves_a_cluster_until_it_is_told_to_stop(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "aiokai", "up", "--port=0", f"--kubeconfig={kubeconfig}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(200):
            while (line := (await process.stdout.readline()).decode()) and "export KUBECONFIG=" not in line:
                pass
        assert line.strip() == f"export KUBECONFIG={kubeconfig}"
        assert kubeconfig.exists()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            out, _ = await process.communicate()
        assert process.returncode == 0
        assert out.decode().endswith("stopped\n")
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
