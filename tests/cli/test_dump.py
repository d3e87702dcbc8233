"""`aiokai dump` of a cluster, and what `aiokai replay` makes of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from aiokai.cli import app
from aiokai.cli.files import documents, shipped
from aiokai.client import connect
from aiokai.client.discovery import resource_of
from aiokai.localcluster import LocalCluster

OBJECTS = """
- apiVersion: v1
  kind: Node
  metadata: {name: n0, annotations: {example.com/note: private}}
  status: {allocatable: {cpu: "4", pods: "110"}, conditions: [{type: Ready, status: "True"}]}
- {apiVersion: aiokai.io/v1alpha1, kind: Queue, metadata: {name: default}, spec: {}}
- {apiVersion: aiokai.io/v1alpha1, kind: Queue, metadata: {name: team}, spec: {capability: {cpu: 2}}}
- apiVersion: aiokai.io/v1alpha1
  kind: PodGroup
  metadata: {name: train, namespace: default}
  spec: {minMember: 1, queue: team}
- apiVersion: v1
  kind: Pod
  metadata: {name: train-0, namespace: default, annotations: {aiokai.io/pod-group: train}}
  spec:
    schedulerName: aiokai
    containers: [{name: main, image: x, env: [{name: T, value: secret}], resources: {requests: {cpu: "1"}}}]
- apiVersion: v1
  kind: Pod
  metadata: {name: lone, namespace: default, annotations: {aiokai.io/queue: nowhere}}
  spec: {schedulerName: aiokai, containers: [{name: main, image: x}]}
"""


@pytest.fixture
async def kubeconfig(tmp_path: Path) -> AsyncIterator[Path]:
    """A cluster without an operator: everything in it waits."""
    cluster = LocalCluster()
    await cluster.start(port=0)
    path = tmp_path / "kubeconfig"
    path.write_text(cluster.kubeconfig(), encoding="utf-8")
    async with await connect(path) as client:
        for manifest in (*documents(shipped("crds")), *yaml.safe_load(OBJECTS)):
            resource = await resource_of(client, manifest["apiVersion"], manifest["kind"])
            await client.create(resource, manifest, manifest["metadata"].get("namespace", ""), into=bytes)
    yield path
    await cluster.stop()


async def run(*arguments: str) -> tuple[int, str, str]:
    told = await asyncio.to_thread(CliRunner().invoke, app, [*arguments])
    return told.exit_code, told.stdout, told.stderr


async def test_a_dump_is_decided_as_the_live_scheduler_would(kubeconfig: Path, tmp_path: Path) -> None:
    code, text, _ = await run("dump", "--kubeconfig", str(kubeconfig))
    assert code == 0
    assert "secret" not in text
    assert "private" not in text
    state = tmp_path / "state.yaml"
    state.write_text(text + "expect: {train: bound on n0, lone: {pending: 1, reason: QueueNotFound}}\n", "utf-8")
    code, told, _ = await run("replay", "--check", str(state))
    assert told.endswith("as expected\n")
    assert code == 0


async def test_the_configuration_goes_with_it(kubeconfig: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("profiles: [{name: default, actions: [backfill]}]", encoding="utf-8")
    code, text, _ = await run("dump", "--kubeconfig", str(kubeconfig), "--config", str(config))
    assert code == 0
    assert yaml.safe_load(text)["config"]["profiles"][0]["actions"] == ["backfill"]


async def test_without_a_way_to_a_cluster_it_says_so(tmp_path: Path) -> None:
    code, text, told = await run("dump", "--kubeconfig", str(tmp_path / "none"))
    assert (code, text) == (1, "")
    assert told.startswith("aiokai dump: ")
