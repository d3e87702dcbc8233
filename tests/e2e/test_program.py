"""`aiokai operator` as a program: it starts, is killed, starts again, and ends when told."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from aiokai.cli.playground import install_crds
from aiokai.localcluster.kubelet import NodeTemplate
from aiokai.model.resource import PODS
from tests.support.world import JOBS, QUEUES, World, job, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

START_LIMIT_S = 150.0


class Program:
    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    async def ask(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            return answer.status, await answer.text()

    async def ready(self) -> None:
        async with asyncio.timeout(START_LIMIT_S):
            while self.process.returncode is None:
                with contextlib.suppress(aiohttp.ClientError):
                    if (await self.ask("/readyz"))[0] == 200:
                        return
                await asyncio.sleep(0.05)
        raise AssertionError(f"ended with {self.process.returncode}")

    async def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Exit code and what it said."""
        self.process.send_signal(number)
        async with asyncio.timeout(20):
            _, said = await self.process.communicate()
        return self.process.returncode or 0, said.decode()


@asynccontextmanager
async def operator(cluster: World, folder: Path, *words: str, config: str = "") -> AsyncIterator[Program]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = folder / "config.yaml"
    file.write_text(f"web: {{host: 127.0.0.1, port: {port}}}\n{config}")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "aiokai", "operator", f"--kubeconfig={cluster.kubeconfig}", f"--config={file}", *words,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Program(process, f"http://127.0.0.1:{port}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def node(cluster: World) -> NodeTemplate:
    return NodeTemplate(f"{cluster.namespace}-n0", {"cpu": "64", "nvidia.com/gpu": "8"})


async def test_it_tells_monitors_how_it_is_and_ends_in_order(cluster: World, tmp_path: Path) -> None:
    async with cluster.nodes(node(cluster)), operator(cluster, tmp_path, "--log-format=json") as program:
        await program.ready()
        assert await program.ask("/livez") == (200, "ok\n")
        await cluster.create(JOBS, job("j", ("worker", 2, {"cpu": "1"})))
        await cluster.until(lambda: len(cluster.running("j")) == 2)
        _, metrics = await program.ask("/metrics")
        assert "aiokai_pods_bound_total 2.0" in metrics
        assert "aiokai_config_valid 1.0" in metrics
        code, said = await program.end()
        assert code == 0
        lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        assert sum(line["message"].startswith(f"bound {cluster.namespace}/j-worker-") for line in lines) == 2


async def test_one_that_is_killed_leaves_nothing_that_the_next_does_not_finish(cluster: World, tmp_path: Path) -> None:
    gpu = {"nvidia.com/gpu": 2}
    async with cluster.nodes(node(cluster)):
        async with operator(cluster, tmp_path) as program:
            await program.ready()
            for i in range(4):
                await cluster.create(JOBS, job(f"j{i}", ("worker", 3, gpu), run_for="300ms"))
            await cluster.until(lambda: any("nodeName" in pod["spec"] for pod in cluster.all(PODS)))
            await program.end(signal.SIGKILL)
        async with operator(cluster, tmp_path) as program:
            await cluster.until(lambda: all(cluster.phase(f"j{i}") == "Completed" for i in range(4)))
            assert all(len(cluster.pods(f"j{i}")) == 3 for i in range(4))


async def test_a_configuration_that_turns_bad_changes_nothing_and_is_complained_about(
    cluster: World, tmp_path: Path
) -> None:
    async with cluster.nodes(node(cluster)), operator(cluster, tmp_path) as program:
        await program.ready()
        file = tmp_path / "config.yaml"
        good = file.read_text()
        file.write_text("cycle: {period: soon}")
        (event,) = await cluster.until(lambda: cluster.events("default", "ConfigurationRefused"))
        assert "cycle.period" in event["message"]
        assert str(file) in event["message"]
        assert "aiokai_config_valid 0.0" in (await program.ask("/metrics"))[1]
        await cluster.create(JOBS, job("j", ("worker", 1, {"cpu": "1"})))
        await cluster.until(lambda: cluster.running("j"))
        file.write_text(good + "cycle: {period: 500ms}")
        async with asyncio.timeout(20):
            while "aiokai_config_valid 1.0" not in (await program.ask("/metrics"))[1]:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        await cluster.create(JOBS, job("k", ("worker", 1, {"cpu": "1"})))
        await cluster.until(lambda: cluster.running("k"))


async def test_a_bad_configuration_ends_the_start(cluster: World, tmp_path: Path) -> None:
    async with operator(cluster, tmp_path, config="profiles: [{actions: [dance]}]") as program:
        _, said = await program.process.communicate()
        assert program.process.returncode == 1
        assert f"{tmp_path / 'config.yaml'}: profiles[0].actions[0]" in said.decode()
        assert "Traceback" not in said.decode()


async def test_a_kubeconfig_that_is_not_there_ends_the_start(cluster: World, tmp_path: Path) -> None:
    cluster.kubeconfig = tmp_path / "nowhere"
    async with operator(cluster, tmp_path) as program:
        _, said = await program.process.communicate()
        assert program.process.returncode == 1
        assert "nowhere" in said.decode()
        assert "Traceback" not in said.decode()


async def test_kinds_that_are_installed_later_are_picked_up(localcluster_kubeconfig: Path) -> None:
    async with (
        world(localcluster_kubeconfig, "late", crds=False) as cluster,
        cluster.nodes(node(cluster)),
        cluster.operator(),
    ):
        await install_crds(cluster.client)
        await cluster.until(lambda: cluster.get(QUEUES, "default"))
        await cluster.create(JOBS, job("j", ("worker", 2, {"cpu": "1"})))
        await cluster.until(lambda: len(cluster.running("j")) == 2)
