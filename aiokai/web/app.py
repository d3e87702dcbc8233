"""What monitors ask over HTTP: is it alive, is it ready, what does it count.

Nothing of the operator is known here; whoever builds the app says how to find out.
"""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

Check = Callable[[], str | None]
"""None if all is well, else what is not."""


def health_app(*, alive: Check, ready: Check, registry: CollectorRegistry) -> web.Application:
    """`/livez`, `/readyz` and `/metrics`. Everything is computed when asked for."""

    async def livez(_: web.Request) -> web.Response:
        return _answer(alive())

    async def readyz(_: web.Request) -> web.Response:
        return _answer(ready())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return app


def _answer(trouble: str | None) -> web.Response:
    return web.Response(text=f"{trouble}\n", status=503) if trouble else web.Response(text="ok\n")


class WebServer:
    """Serves an app while the program does other things."""

    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self, host: str, port: int) -> int:
        """Listen.

        Args:
            host: address to listen on.
            port: 0 takes any free one.

        Returns: the port.

        Raises:
            OSError: the port is taken.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()
