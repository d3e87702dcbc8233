"""The image's operator starts: the same command, environment and user, in folders laid out as in the image.

No container engine is needed. What the Dockerfile sets is read from it, and its paths are put below a folder of the
test's; the package lies there as nobody may write to it, with the interpreter and libraries of this environment.
"""

import asyncio
import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml

from aiokai.localcluster import LocalCluster
from tests.manifests.conftest import MANIFESTS, Installation

ROOT = MANIFESTS.parent
CONFIG = "/etc/aiokai/config.yaml"
NOBODY = 65532
OTHER_CPU = "x86-64-v2" if os.uname().machine == "x86_64" else "cortex-a72"
START_LIMIT_S = 200.0
# Reading is allowed everywhere, since this environment's interpreter may lie in root's home; writing is not.
READING = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search", "--no-new-privs")
NOBODY_READING = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *READING)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2 * START_LIMIT_S),
    pytest.mark.xdist_group("image"),
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="takes root and setpriv"),
]


def stages() -> list[str]:
    """The Dockerfile's stages, each instruction in one line."""
    return re.split(r"^FROM ", (ROOT / "Dockerfile").read_text().replace("\\\n", ""), flags=re.MULTILINE)[1:]


def environment() -> dict[str, str]:
    """What the last stage sets."""
    words = [word for line in re.findall(r"^ENV (.*)", stages()[-1], re.MULTILINE) for word in shlex.split(line)]
    return dict(word.split("=", 1) for word in words)


def settings_of(command: str) -> dict[str, str]:
    """The environment that a stage gives to its `aiokai <command>`."""
    (line,) = (line for stage in stages() for line in stage.splitlines() if line.endswith(f"aiokai {command}"))
    return dict(word.split("=", 1) for word in shlex.split(line) if "=" in word)


class Image:
    """The image's folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = self.path("/var/cache/aiokai")

    def path(self, inside: str) -> Path:
        return self.folder / inside.removeprefix("/")

    def environment(self, given: dict[str, str]) -> dict[str, str]:
        """Of a program in the image; paths are where they are here."""
        there = {name: str(self.path(text)) if text.startswith("/") else text for name, text in given.items()}
        return {**there, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(self.path("/opt/aiokai/lib"))}


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    # Not pytest's folder, into which only its owner may look.
    with tempfile.TemporaryDirectory(prefix="aiokai-image-") as folder:
        made = Image(Path(folder))
        made.folder.chmod(0o755)
        package = made.path("/opt/aiokai/lib/aiokai")
        shutil.copytree(ROOT / "aiokai", package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "crds", package / "files" / "crds")
        made.path("/etc/aiokai").mkdir(parents=True)
        made.cache.mkdir(parents=True)
        os.chown(made.cache, NOBODY, NOBODY)
        yield made


@asynccontextmanager
async def program(*command: str, given: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command, env=given, cwd="/", stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def compiled(image: Image) -> Path:
    """The kernels, as the build makes them; once for all tests."""
    told = settings_of("warm-up")
    kernels = image.path(told["AIOKAI_CACHE"])
    if not kernels.exists():
        command = (sys.executable, "-m", "aiokai", "warm-up")
        async with program(*command, given=image.environment(told)) as process:
            _, said = await process.communicate()
            assert process.returncode == 0, said.decode()
    return kernels


def words_of_container(image: Image) -> list[str]:
    """The Deployment's arguments, after checking the image's ENTRYPOINT and USER."""
    deployment = next(
        it for it in yaml.safe_load_all((MANIFESTS / "install.yaml").read_text()) if it["kind"] == "Deployment"
    )
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (entry,) = re.findall(r"^ENTRYPOINT (.*)", stages()[-1], re.MULTILINE)
    (user,) = re.findall(r"^USER (.*)", stages()[-1], re.MULTILINE)
    assert user == f"{NOBODY}:{NOBODY}"
    assert yaml.safe_load(entry) == ["aiokai"]
    assert f"--config={CONFIG}" in container["args"]
    return [word.replace(CONFIG, str(image.path(CONFIG))) for word in container["args"]]


async def start_operator(image: Image, **changed: str) -> str:
    """Start the container's command against a cluster, wait until it is ready, stop it; what it said."""
    cluster = LocalCluster()
    await cluster.start(port=0)
    try:
        kubeconfig = image.path("/etc/aiokai/kubeconfig")
        kubeconfig.write_text(cluster.kubeconfig())
        port = free_port()
        image.path(CONFIG).write_text(f"web: {{host: 127.0.0.1, port: {port}}}")
        words = (*words_of_container(image), f"--kubeconfig={kubeconfig}")
        given = image.environment(environment() | changed)
        async with program(*NOBODY_READING, sys.executable, "-m", "aiokai", *words, given=given) as process:
            await until_ready(process, port)
            process.terminate()
            _, said = await process.communicate()
            assert process.returncode == 0, said.decode()
            return said.decode()
    finally:
        await cluster.stop()


async def until_ready(process: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(START_LIMIT_S), aiohttp.ClientSession() as session:
        while process.returncode is None:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
    assert process.stderr is not None
    raise AssertionError((await process.stderr.read()).decode())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def content(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


async def test_it_starts_with_the_images_kernels_and_writes_nothing(image: Image) -> None:
    await compiled(image)
    before = content(image.path("/opt"))
    await start_operator(image)
    assert content(image.path("/opt")) == before
    assert content(image.cache) == {}


async def test_on_another_processor_kernels_are_compiled_into_the_cache_behind(image: Image) -> None:
    kernels = await compiled(image)
    before = content(kernels)
    await start_operator(image, NUMBA_CPU_NAME=OTHER_CPU)
    assert content(kernels) == before
    assert any(path.suffix == ".nbc" for path in content(image.cache))


POD = """
set -e
mount -t tmpfs none /run && mount -t tmpfs none /opt && mount -t tmpfs none /var/cache
mkdir -p /run/secrets/kubernetes.io /opt/aiokai /var/cache/aiokai
cp -r "$ACCOUNT" /run/secrets/kubernetes.io/serviceaccount
mount --rbind "$IMAGE/opt/aiokai" /opt/aiokai
mount --bind "$IMAGE/var/cache/aiokai" /var/cache/aiokai
mount -o remount,bind,ro /opt/aiokai
mount -o remount,bind,ro /
unset ACCOUNT IMAGE
exec "$@"
"""
"""A pod's file system: the image's folders in their places, the ServiceAccount's token, and nothing to write to."""


@pytest.mark.realserver
@pytest.mark.skipif(
    subprocess.run(("unshare", "-m", "true"), check=False, capture_output=True).returncode != 0,
    reason="takes mount namespaces",
)
async def test_in_a_pod_it_finds_the_cluster_and_works_with_its_own_rights(
    image: Image, installation: Installation
) -> None:
    await compiled(image)
    await installation.install()
    account = image.path("/account")
    installation.write_account(account, await installation.token())
    port = free_port()
    image.path(CONFIG).write_text(f"web: {{host: 127.0.0.1, port: {port}}}")
    words = ("unshare", "-m", "sh", "-c", POD, "sh", *NOBODY_READING, sys.executable, "-m", "aiokai")
    server = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": installation.port}
    places = {"PYTHONPATH": "/opt/aiokai/lib", "IMAGE": str(image.folder), "ACCOUNT": str(account)}
    given = {**environment(), **server, **places, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    async with program(*words, *words_of_container(image), given=given) as process:
        await until_ready(process, port)
        await installation.kubectl("wait", "--for=create", "aq/default", "--timeout=30s")
        process.terminate()
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()
