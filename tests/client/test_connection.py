import asyncio
import base64
import json
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from aiokai.client import connect
from aiokai.client.connection import TOKEN_PERIOD_S
from aiokai.errors import ConfigError, ForbiddenError, UnavailableError
from tests.client.conftest import ScriptedServer, body, refusal


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No kubeconfig but the test's own."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def kubeconfig(path: Path, url: str, user: dict[str, Any], **cluster: Any) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url, **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


async def header_of(server: ScriptedServer, config: Path | None) -> str:
    """The Authorization header that a client of this kubeconfig sends."""
    server.script(body({}))
    async with await connect(config) as client:
        await client.get_path("/version", into=dict)
    return server.asked[-1].headers.get("authorization", "")


class TestWhoWeAre:
    async def test_a_token_is_sent(self, server: ScriptedServer, tmp_path: Path) -> None:
        config = kubeconfig(tmp_path / "config", server.url, {"token": "secret"})
        assert await header_of(server, config) == "Bearer secret"

    async def test_nobody_sends_nothing(self, server: ScriptedServer, tmp_path: Path) -> None:
        assert await header_of(server, kubeconfig(tmp_path / "config", server.url, {})) == ""

    async def test_name_and_password_are_sent(self, server: ScriptedServer, tmp_path: Path) -> None:
        config = kubeconfig(tmp_path / "config", server.url, {"username": "a", "password": "b"})
        assert await header_of(server, config) == "Basic YTpi"

    async def test_a_plugin_is_asked_for_a_token(self, server: ScriptedServer, tmp_path: Path) -> None:
        version = "client.authentication.k8s.io/v1"
        credential = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": "told"}}
        plugin = {"apiVersion": version, "command": "echo", "args": [json.dumps(credential)]}
        config = kubeconfig(tmp_path / "config", server.url, {"exec": plugin})
        assert await header_of(server, config) == "Bearer told"

    @pytest.mark.looptime
    async def test_a_token_file_is_read_again_after_a_minute(self, server: ScriptedServer, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("first\n")
        config = kubeconfig(tmp_path / "config", server.url, {"tokenFile": "token"})
        server.script(*[body({})] * 3)
        async with await connect(config) as client:
            await client.get_path("/version", into=dict)
            (tmp_path / "token").write_text("second\n")
            await client.get_path("/version", into=dict)
            await asyncio.sleep(TOKEN_PERIOD_S)
            await client.get_path("/version", into=dict)
        sent = [asked.headers["authorization"] for asked in server.asked]
        assert sent == ["Bearer first", "Bearer first", "Bearer second"]

    async def test_a_token_that_was_refused_is_read_again_at_once(self, server: ScriptedServer, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("first")
        config = kubeconfig(tmp_path / "config", server.url, {"tokenFile": "token"})
        server.script(refusal(401), body({}))
        async with await connect(config) as client:
            (tmp_path / "token").write_text("second")
            with pytest.raises(ForbiddenError):
                await client.get_path("/version", into=dict)
            await client.get_path("/version", into=dict)
        assert server.asked[1].headers["authorization"] == "Bearer second"

    async def test_a_token_that_cannot_be_read_again_stays(self, server: ScriptedServer, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("first")
        config = kubeconfig(tmp_path / "config", server.url, {"tokenFile": "token"})
        server.script(refusal(401), body({}))
        async with await connect(config) as client:
            (tmp_path / "token").unlink()
            with pytest.raises(ForbiddenError):
                await client.get_path("/version", into=dict)
            await client.get_path("/version", into=dict)
        assert server.asked[1].headers["authorization"] == "Bearer first"


class TestWhere:
    async def test_the_environment_names_the_file(
        self, server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "named", server.url, {"token": "named"})))
        assert await header_of(server, None) == "Bearer named"

    async def test_the_home_directory_holds_the_file(self, server: ScriptedServer, tmp_path: Path) -> None:
        (tmp_path / ".kube").mkdir()
        kubeconfig(tmp_path / ".kube" / "config", server.url, {"token": "home"})
        assert await header_of(server, None) == "Bearer home"

    async def test_no_file_is_a_configuration_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"\.kube/config: no such file"):
            await connect()
        with pytest.raises(ConfigError, match="nowhere: no such file"):
            await connect(tmp_path / "nowhere")

    @pytest.mark.parametrize("text", ["", "[]", "{", "clusters: 7", "current-context: c\ncontexts: []"])
    async def test_a_malformed_file_is_a_configuration_error(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "config").write_text(text)
        with pytest.raises(ConfigError, match="config"):
            await connect(tmp_path / "config")

    async def test_a_pod_uses_its_service_account(
        self, tls: "TlsServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from kubernetes_asyncio.config import incluster_config

        (tmp_path / "token").write_text("of the pod\n")
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tls.certificate))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", tls.url.rpartition(":")[2])
        async with await connect() as client:
            assert client.url == tls.url
            assert await client.get_path("/version", into=dict) == {"from": "Bearer of the pod", "certificate": False}


class TestWhomToTrust:
    async def test_a_server_nobody_vouches_for_is_not_spoken_to(self, tls: "TlsServer", tmp_path: Path) -> None:
        with pytest.raises(UnavailableError, match="certificate verify failed"):
            await tls.asked_with(kubeconfig(tmp_path / "config", tls.url, {"token": "secret"}))

    async def test_its_authority_may_stand_in_the_kubeconfig(self, tls: "TlsServer", tmp_path: Path) -> None:
        written = base64.b64encode(tls.certificate.read_bytes()).decode()
        authority = {"certificate-authority-data": written}
        config = kubeconfig(tmp_path / "config", tls.url, {"token": "secret"}, **authority)
        assert (await tls.asked_with(config))["from"] == "Bearer secret"

    async def test_it_may_be_trusted_blindly(self, tls: "TlsServer", tmp_path: Path) -> None:
        blindly = {"insecure-skip-tls-verify": True}
        config = kubeconfig(tmp_path / "config", tls.url, {"token": "secret"}, **blindly)
        assert (await tls.asked_with(config))["from"] == "Bearer secret"

    async def test_it_may_go_by_another_name(self, tls: "TlsServer", tmp_path: Path) -> None:
        authority = {"certificate-authority": str(tls.certificate)}
        named = kubeconfig(tmp_path / "named", tls.url, {}, **authority, **{"tls-server-name": "kubernetes"})
        assert (await tls.asked_with(named))["certificate"] is False
        wrong = kubeconfig(tmp_path / "wrong", tls.url, {}, **authority, **{"tls-server-name": "elsewhere"})
        with pytest.raises(UnavailableError):
            await tls.asked_with(wrong)

    async def test_a_client_certificate_is_shown(self, tls: "TlsServer", tmp_path: Path) -> None:
        user = {"client-certificate": str(tls.certificate), "client-key": str(tls.key)}
        authority = {"certificate-authority": str(tls.certificate)}
        config = kubeconfig(tmp_path / "config", tls.url, user, **authority)
        assert (await tls.asked_with(config))["certificate"] is True


@dataclass
class TlsServer:
    """Answers with what it was told of who asks. Its certificate is its own authority, and that of clients."""

    certificate: Path
    key: Path
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        shown = bool(request.transport.get_extra_info("peercert"))
        return web.json_response({"from": request.headers.get("Authorization", ""), "certificate": shown})

    async def asked_with(self, config: Path) -> dict[str, Any]:
        async with await connect(config) as client:
            return await client.get_path("/version", into=dict)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 and `kubernetes`; its key stands beside it."""
    folder = tmp_path_factory.mktemp("certificate")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=test"
    names = "subjectAltName=IP:127.0.0.1,DNS:kubernetes"
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "certificate")]
    subprocess.run(["openssl", *words.split(), "-addext", names, *files], check=True, capture_output=True)
    return folder / "certificate"


@pytest.fixture
async def tls(certificate: Path) -> AsyncIterator[TlsServer]:
    server = TlsServer(certificate, certificate.with_name("key"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate)
    context.load_cert_chain(certificate, server.key)
    context.verify_mode = ssl.CERT_OPTIONAL
    app = web.Application()
    app.router.add_get("/version", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    server.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()
