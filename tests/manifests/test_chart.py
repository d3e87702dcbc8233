"""What is generated is up to date, says what it must, and is what Helm makes of the chart."""

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from aiokai.model.configuration import Configuration, load_configuration
from tests.manifests.conftest import MANIFESTS

HELM = os.environ.get("AIOKAI_HELM") or shutil.which("helm")
needs_helm = pytest.mark.skipif(not HELM, reason="no helm: go install helm.sh/helm/v3/cmd/helm@v3.22.0")

KUBERNETES = "--kube-version=1.33"


def objects(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Manifests by kind and name."""
    found = [it for it in yaml.safe_load_all(text) if it is not None]
    made = {(it["kind"], it["metadata"]["name"]): it for it in found}
    assert len(made) == len(found)
    return made


@pytest.fixture(scope="module")
def installed() -> dict[tuple[str, str], dict[str, Any]]:
    return objects((MANIFESTS / "install.yaml").read_text())


async def run(*words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode() + out.decode()
    return out.decode()


async def generate(*words: str) -> str:
    return await run(sys.executable, str(MANIFESTS / "generate.py"), *words)


async def test_what_is_generated_is_up_to_date() -> None:
    await generate("--check")


async def test_the_image_can_be_named_in_one_place(installed: dict[tuple[str, str], dict[str, Any]]) -> None:
    other = objects(await generate("--print", "--image=registry.example/aiokai:9"))
    container = other["Deployment", "aiokai"]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "registry.example/aiokai:9"
    container["image"] = yaml.safe_load((MANIFESTS / "chart" / "values.yaml").read_text())["image"]
    assert other == installed


def test_the_settings_that_ship_are_the_default_and_all_of_it(
    installed: dict[tuple[str, str], dict[str, Any]], tmp_path: Path
) -> None:
    text = installed["ConfigMap", "aiokai"]["data"]["config.yaml"]
    (tmp_path / "config.yaml").write_text(text)
    assert load_configuration(tmp_path / "config.yaml") == Configuration()
    shown = yaml.safe_load(text)
    whole = Configuration().model_dump(mode="json", by_alias=True)
    assert shown.keys() == whole.keys()
    assert shown["profiles"][0].keys() == whole["profiles"][0].keys()
    assert shown["web"] == whole["web"]


def test_the_pod_may_do_nothing_that_it_does_not_need(installed: dict[tuple[str, str], dict[str, Any]]) -> None:
    pod = installed["Deployment", "aiokai"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    for rule in installed["ClusterRole", "aiokai"]["rules"]:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert "secrets" not in rule["resources"]


def test_nothing_of_ours_blocks_a_deletion_or_a_write(installed: dict[tuple[str, str], dict[str, Any]]) -> None:
    kinds = {kind for kind, _ in installed}
    assert not kinds & {"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "ValidatingAdmissionPolicy"}
    assert not [it for it in installed.values() if it["metadata"].get("finalizers")]


async def helm(*words: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What Helm makes of the chart."""
    chart = str(MANIFESTS / "chart")
    return objects(
        await run(str(HELM), "template", "aiokai", chart, "--namespace=aiokai-system", "--kube-version=1.33", *words)
    )


@needs_helm
async def test_helm_renders_what_is_in_install_yaml(installed: dict[tuple[str, str], dict[str, Any]]) -> None:
    namespace = {("Namespace", "aiokai-system")}
    assert await helm("--include-crds") == {key: it for key, it in installed.items() if key not in namespace}


@needs_helm
async def test_helm_renders_the_monitoring_when_asked_to() -> None:
    wanted = objects((MANIFESTS / "monitoring" / "prometheus-operator.yaml").read_text())
    switches = ("serviceMonitor", "prometheusRule", "dashboard")
    made = await helm(*(f"--set={name}.enabled=true" for name in switches))
    assert {key: made[key] for key in wanted} == wanted
    assert not wanted.keys() & (await helm()).keys()


@needs_helm
async def test_helm_renders_the_rights_for_volcano_when_asked_to() -> None:
    wanted = objects((MANIFESTS / "volcano.yaml").read_text())
    made = await helm("--set=volcano.rights=true")
    assert {key: made[key] for key in wanted} == wanted
    assert not wanted.keys() & (await helm()).keys()


@needs_helm
async def test_helm_takes_every_value(tmp_path: Path) -> None:
    values = {
        "image": "registry.example/aiokai:9",
        "imagePullSecrets": [{"name": "pull"}],
        "env": [{"name": "NUMBA_CPU_NAME", "value": "x86-64-v3"}],
        "config": {"cycle": {"period": "2s"}},
        "resources": {"limits": {"memory": "8Gi"}},
        "tolerations": [{"operator": "Exists"}],
    }
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    made = await helm(f"--values={tmp_path / 'values.yaml'}")
    pod = made["Deployment", "aiokai"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == values["image"]
    assert container["env"] == values["env"]
    assert container["resources"]["limits"] == {"memory": "8Gi"}
    assert (pod["imagePullSecrets"], pod["tolerations"]) == (values["imagePullSecrets"], values["tolerations"])
    assert yaml.safe_load(made["ConfigMap", "aiokai"]["data"]["config.yaml"]) == values["config"]
    await run(str(HELM), "lint", str(MANIFESTS / "chart"), KUBERNETES, f"--values={tmp_path / 'values.yaml'}")
