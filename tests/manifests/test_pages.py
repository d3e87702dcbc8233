"""What the pages tell people to write can be used as it is."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from aiokai.dialects import DIALECTS
from aiokai.model.configuration import parse_configuration
from aiokai.operator.metrics import Metrics
from tests.manifests.conftest import MANIFESTS
from tests.operator.test_measurements import measured, pod

PAGES = ("README.md", "MIGRATION.md")


def written(page: str) -> list[dict[str, Any]]:
    """The YAML that a page shows."""
    blocks = re.findall(r"^ *```yaml\n(.*?)^ *```", (MANIFESTS / page).read_text(), re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(block) for block in blocks]


@pytest.mark.parametrize("page", PAGES)
def test_what_it_shows_is_understood(page: str) -> None:
    native = DIALECTS["aiokai"]
    kinds = {kind.resource.kind: kind for kind in (native.job, native.queue, native.pod_group)}
    for shown in written(page):
        if shown.get("apiVersion", "").startswith("aiokai.io/"):
            kinds[shown["kind"]].decode(msgspec.json.encode(shown))
        elif "kind" not in shown:
            parse_configuration(shown, page)


@pytest.mark.parametrize("page", PAGES)
def test_files_that_it_names_are_there(page: str) -> None:
    text = (MANIFESTS / page).read_text()
    named = re.findall(r"manifests/[\w./-]+\w", text) + [f"manifests/{it}" for it in re.findall(r"\]\(([\w./]+)", text)]
    assert named
    for name in named:
        assert (Path(MANIFESTS.parent) / name).exists(), name


def test_every_metric_that_is_ours_is_told_of() -> None:
    text = (MANIFESTS / "README.md").read_text()
    metrics: Metrics = measured(None, pod("p", 1))
    for metric in metrics.registry.collect():
        name = metric.name.removeprefix("aiokai_queue")
        assert metric.name in text or name in text, metric.name
