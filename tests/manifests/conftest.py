"""A control plane of each test's own: what is installed and removed here would be in the others' way."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.controlplane import COLLECTORS, ControlPlane, find_program

MANIFESTS = Path(__file__).parents[2] / "manifests"
WORKLOADS = ("deployment-controller", "replicaset-controller", "resourcequota-controller")
SERVICE_ACCOUNT = "system:serviceaccount:aiokai-system:aiokai"


class Installation:
    """A control plane, and kubectl for it.

    Attributes:
        audit_log: one JSON object a line for each request.
        port: of the server, on loopback.
    """

    def __init__(self, plane: ControlPlane, audit_log: Path, folder: Path) -> None:
        self.kubeconfig = plane.kubeconfig
        self.audit_log = audit_log
        self.port = plane.url.rpartition(":")[2]
        self._ca = plane.ca
        self._folder = folder

    async def kubectl(self, *words: str) -> str:
        """What kubectl prints.

        Raises:
            AssertionError: it did not succeed.
        """
        where = (f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self._folder / 'kubectl'}")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec("kubectl", *where, *words, stdout=pipe, stderr=pipe)
        out, err = await process.communicate()
        assert process.returncode == 0, f"kubectl {' '.join(words)}\n{err.decode()}{out.decode()}"
        return out.decode()

    async def install(self) -> None:
        await self.kubectl("apply", "-f", str(MANIFESTS / "install.yaml"))

    async def token(self) -> str:
        """Of the operator's ServiceAccount."""
        return (await self.kubectl("-n", "aiokai-system", "create", "token", "aiokai", "--duration=1h")).strip()

    def write_account(self, folder: Path, token: str) -> None:
        """What a pod finds in `/var/run/secrets/kubernetes.io/serviceaccount`."""
        folder.mkdir(exist_ok=True)
        (folder / "token").write_text(token)
        (folder / "ca.crt").write_bytes(self._ca.read_bytes())
        (folder / "namespace").write_text("aiokai-system")

    async def service_account(self) -> Path:
        """A kubeconfig with which one is the operator's ServiceAccount."""
        token = await self.token()
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token}
        made = self._folder / "service-account"
        made.write_text(yaml.safe_dump(config))
        return made


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An empty control plane that asks for more than most, and keeps an audit log."""
    if find_program() is None or shutil.which("kubectl") is None:
        missing = "no real kube-apiserver, or no kubectl: run `make controlplane`"
        if os.environ.get("AIOKAI_REQUIRE_CONTROLPLANE") == "1":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    audit_log = tmp_path / "audit.log"
    # The plugin demands that who blocks the deletion of an owner may write the owner's finalizers, as OpenShift does.
    flags = ["--enable-admission-plugins=OwnerReferencesPermissionEnforcement", "--audit-log-mode=blocking"]
    with ControlPlane(controllers=(*COLLECTORS, *WORKLOADS), audit_log=audit_log, apiserver_flags=flags) as plane:
        yield Installation(plane, audit_log, tmp_path)
