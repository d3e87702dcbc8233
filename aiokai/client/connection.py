"""From a kubeconfig, or the service account of the pod that runs us, to an `ApiClient`.

kubernetes_asyncio knows every way in which a kubeconfig names who we are (token, token file, exec plugin, client
certificate) and loads it; nothing else of it is used. Tokens end: they are loaded again once a minute, and at once
after the server refused one. A load that fails keeps the old token, since only the server can say that it is bad.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp

from aiokai.client.api import ApiClient
from aiokai.errors import ConfigError

if TYPE_CHECKING:
    from kubernetes_asyncio.client import Configuration

log = logging.getLogger(__name__)

CONNECTION_LIMIT: Final = 256
"""128 Bindings in flight, the watches, and everybody else's writes."""
TOKEN_PERIOD_S: Final = 60.0


async def connect(kubeconfig: Path | None = None) -> ApiClient:
    """A client for the server that `kubeconfig` names in its current context.

    Without one, in this order: the files in `$KUBECONFIG`, the service account of the pod, `~/.kube/config`.

    Raises:
        ConfigError: nothing tells where the server is, or who we are.
    """
    files = _kubeconfig_files(kubeconfig)
    try:
        configuration, reload = await (_load_files(files) if files else _load_service_account())
        trust = _trust(configuration)
    # The loader lets through whatever a malformed file makes it stumble over.
    except Exception as error:
        raise ConfigError(f"{files or 'service account'}: {error}") from error
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTION_LIMIT, ssl=trust),
        timeout=aiohttp.ClientTimeout(total=None),
        # Compressed lists cost the server and us more than they save inside a cluster.
        headers={"User-Agent": f"aiokai/{version('aiokai')}", "Accept-Encoding": "identity"},
        proxy=configuration.proxy,
        read_bufsize=2**21,
        trust_env=False,
    )
    url = str(configuration.host).rstrip("/")
    return ApiClient(session, url, _Credentials(configuration, reload), server_name=configuration.tls_server_name)


class _Credentials:
    """The Authorization header, kept fresh."""

    def __init__(self, configuration: "Configuration", reload: Callable[[], Awaitable[None]]) -> None:
        self._configuration = configuration
        self._reload = reload
        self._due = asyncio.get_running_loop().time() + TOKEN_PERIOD_S

    async def authorization(self) -> str:
        now = asyncio.get_running_loop().time()
        if now >= self._due:
            # Set before waiting, so that others go on with the old token instead of loading it too.
            self._due = now + TOKEN_PERIOD_S
            try:
                await self._reload()
            except Exception as error:
                log.warning("credentials could not be loaded again, the old ones stay", extra={"error": str(error)})
        return str(self._configuration.api_key.get("BearerToken", "")).strip()

    def refused(self) -> None:
        self._due = min(self._due, asyncio.get_running_loop().time())


def _kubeconfig_files(named: Path | None) -> str:
    """The kubeconfig to load, several joined as in `$KUBECONFIG`; empty for the pod's service account."""
    files = str(named or os.environ.get("KUBECONFIG") or "")
    if not files and "KUBERNETES_SERVICE_HOST" in os.environ:
        return ""
    files = files or str(Path.home() / ".kube" / "config")
    if not any(Path(file).expanduser().is_file() for file in files.split(os.pathsep)):
        raise ConfigError(f"{files}: no such file")
    return files


async def _load_files(files: str) -> "tuple[Configuration, Callable[[], Awaitable[None]]]":
    # Imported late: it takes 0.4 s, most of them for the kinds that nothing here uses.
    from kubernetes_asyncio.client import Configuration
    from kubernetes_asyncio.config import load_kube_config

    configuration = Configuration()
    loader = await load_kube_config(files, client_configuration=configuration, persist_config=False)

    async def reload() -> None:
        await loader.load_and_set(configuration)

    return configuration, reload


async def _load_service_account() -> "tuple[Configuration, Callable[[], Awaitable[None]]]":
    from kubernetes_asyncio.client import Configuration
    from kubernetes_asyncio.config import load_incluster_config

    configuration = Configuration()

    async def reload() -> None:
        load_incluster_config(configuration, try_refresh_token=False)  # type: ignore[no-untyped-call]

    await reload()
    return configuration, reload


def _trust(configuration: "Configuration") -> ssl.SSLContext:
    trust = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    # On by default since Python 3.13, and more than other clients ask: many clusters' certificates would fail.
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if configuration.cert_file:
        trust.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
    return trust
