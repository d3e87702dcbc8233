"""A real Kubernetes API server for tests: etcd, kube-apiserver and two garbage collecting controllers.

The program is `tests/controlplane`, built by `make controlplane`. One `ControlPlane` is one cluster without nodes: TLS
on a free loopback port, one bearer token that may do everything, all data in a temporary directory that goes with it.
Nothing is created in it. Compared with a cluster of kubeadm's:
- the admission plugin `TaintNodesByCondition` is off: it taints every hand-made Node as not ready;
- the admission plugin `ServiceAccount` is off: it would refuse every pod until somebody makes service accounts;
- of kube-controller-manager only the owner and namespace collectors run, unless more are named.

Nothing here guesses ports. etcd listens on a socket file. The server's port is held by a bound socket of ours that
never listens, and shared with kube-apiserver through SO_REUSEPORT, so no other process can be given it in between.
The programs hold a pipe from the test process and end with it, even when it is killed.
"""

import os
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

COLLECTORS = ("garbage-collector-controller", "namespace-controller")
START_LIMIT_S = 60.0


class ControlPlaneError(Exception):
    """A part of the control plane ended, or was not ready in time. Carries the end of its log."""


def find_program() -> Path | None:
    """The built program: `AIOKAI_CONTROLPLANE` if that is set, else the one in the cache folder, else None."""
    if named := os.environ.get("AIOKAI_CONTROLPLANE"):
        program = Path(named)
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        program = Path(os.environ.get("AIOKAI_CACHE") or caches / "aiokai") / "controlplane"
    return program if os.access(program, os.X_OK) else None


class ControlPlane:
    """One running control plane; a context manager.

    Attributes:
        url: `https://127.0.0.1:PORT`.
        token: bearer token of a member of `system:masters`.
        ca: PEM file to trust the server with.
        kubeconfig: file with these three; its one context is `controlplane`, namespace `default`.
        directory: working directory of the programs, with a log file of each.
    """

    def __init__(
        self,
        program: Path | None = None,
        *,
        controllers: Sequence[str] = COLLECTORS,
        scheduler: bool = False,
        authorization_mode: str = "RBAC",
        audit_policy: Path | None = None,
        audit_log: Path | None = None,
        apiserver_flags: Sequence[str] = (),
    ) -> None:
        """Prepare a control plane; `start()` starts it.

        Args:
            program: the built program; found by itself when None.
            controllers: names for kube-controller-manager, which is not started if there are none.
            scheduler: start kube-scheduler too.
            authorization_mode: as kube-apiserver's flag.
            audit_policy: policy file; with `audit_log`, the server writes one JSON line per audited request there.
            audit_log: file for the audit lines; without a policy, the metadata of all requests is written.
            apiserver_flags: further flags; a flag given twice counts as given last.
        """
        self._program = program or find_program()
        self._controllers = tuple(controllers)
        self._scheduler = scheduler
        self._authorization_mode = authorization_mode
        self._audit_policy = audit_policy
        self._audit_log = audit_log
        self._apiserver_flags = tuple(apiserver_flags)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._port: socket.socket | None = None
        self.token = secrets.token_hex(16)
        self.directory = Path()

    @property
    def url(self) -> str:
        assert self._port is not None, "not started"
        return f"https://127.0.0.1:{self._port.getsockname()[1]}"

    @property
    def ca(self) -> Path:
        return self.directory / "certs" / "apiserver.crt"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    def start(self) -> None:
        """Start everything and wait until `/readyz` says ok.

        Raises:
            ControlPlaneError: the program is missing, a part ended, or was not ready within `START_LIMIT_S`.
        """
        if self._program is None:
            raise ControlPlaneError("the control plane is not built: run `make controlplane`")
        try:
            self._prepare()
            self._run("etcd", *self._etcd_flags())
            self._run("kube-apiserver", *self._server_flags())
            deadline = time.monotonic() + START_LIMIT_S
            self._wait_until_ready(deadline)
            self._run_controllers()
            if self._scheduler:
                self._run("kube-scheduler", *self._client_flags())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill what was started, newest first, and remove its data. Without effect if nothing runs."""
        # Killed, not asked: a draining server takes seconds, and nobody reads its data again.
        for name in reversed(list(self._processes)):
            self._kill(name)
        if self._port is not None:
            self._port.close()
            self._port = None
            shutil.rmtree(self.directory, ignore_errors=True)

    def restart_controllers(self) -> None:
        """Let the controllers see kinds that were defined since they started.

        By themselves they look for new kinds every 30 s, and until then collect nothing that such an object owns.
        """
        if self._controllers:
            self._kill("kube-controller-manager")
            self._run_controllers()

    def log_tail(self, name: str, lines: int = 20) -> str:
        """The last lines that the part `name` wrote, for messages about a failure."""
        return "\n".join((self.directory / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _prepare(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="aiokai-controlplane-"))
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._port.bind(("127.0.0.1", 0))
        (self.directory / "tokens.csv").write_text(f"{self.token},test-admin,test-admin,system:masters\n")
        policy = {"omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]}
        header = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy"}
        (self.directory / "audit-policy.yaml").write_text(yaml.safe_dump(header | policy))
        cluster = {"server": self.url, "certificate-authority": str(self.ca)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "controlplane",
            "clusters": [{"name": "controlplane", "cluster": cluster}],
            "users": [{"name": "test-admin", "user": {"token": self.token}}],
            "contexts": [
                {
                    "name": "controlplane",
                    "context": {"cluster": "controlplane", "user": "test-admin", "namespace": "default"},
                }
            ],
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))

    def _run(self, name: str, *flags: str) -> None:
        with (self.directory / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [str(self._program), name, *flags],
                cwd=self.directory,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "AIOKAI_CONTROLPLANE_STDIN": "1"},
            )

    def _run_controllers(self) -> None:
        if self._controllers:
            names = f"--controllers={','.join(self._controllers)}"
            self._run("kube-controller-manager", *self._client_flags(), names)

    def _kill(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()

    def _etcd_flags(self) -> list[str]:
        return [
            "--data-dir=etcd",
            "--unsafe-no-fsync",
            "--log-level=warn",
            # Socket files in the working directory, named after what looks like host and port (etcd insists on it).
            "--listen-client-urls=unix://client:0",
            "--advertise-client-urls=unix://client:0",
            "--listen-peer-urls=unix://peer:0",
            "--initial-advertise-peer-urls=unix://peer:0",
            "--initial-cluster=default=unix://peer:0",
        ]

    def _server_flags(self) -> list[str]:
        flags = [
            "--etcd-servers=unix://client:0",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.url.rpartition(':')[2]}",
            "--permit-port-sharing",
            # The server makes itself a certificate here. Its key may as well sign service account tokens.
            "--cert-dir=certs",
            "--service-account-signing-key-file=certs/apiserver.key",
            "--service-account-key-file=certs/apiserver.key",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--token-auth-file=tokens.csv",
            f"--authorization-mode={self._authorization_mode}",
            "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged",
        ]
        if self._audit_log:
            policy = self._audit_policy or self.directory / "audit-policy.yaml"
            flags += [f"--audit-policy-file={policy.absolute()}", f"--audit-log-path={self._audit_log.absolute()}"]
        return [*flags, *self._apiserver_flags]

    def _client_flags(self) -> list[str]:
        return [f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0"]

    def _wait_until_ready(self, deadline: float) -> None:
        while not self._is_ready():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise ControlPlaneError(f"{name} ended with {process.returncode}:\n{self.log_tail(name)}")
            if time.monotonic() > deadline:
                raise ControlPlaneError(f"not ready within {START_LIMIT_S:.0f} s:\n{self.log_tail('kube-apiserver')}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        if not self.ca.exists():
            return False
        try:
            # Made anew for each try: the certificate may have been half written at the first one.
            trust = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca))
            request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": f"Bearer {self.token}"})
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), trust)
            with direct.open(request, timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False
