"""Exposition: labkit's sidecar over HTTP. `GET /metrics` is the page that Prometheus scrapes.

The application has no metrics endpoint; this process reads what its writer left in Redis, and nothing else does.
"""

import asyncio
import contextlib
import gzip
import logging
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import perf_counter

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from labkit.errors import LabkitError
from labkit.keyspace.connection import redact
from labkit.sidecar.authentication import Authentication
from labkit.sidecar.negotiation import CONTENT_TYPES, Format, compresses, negotiate, refresh_timeout
from labkit.sidecar.series_cache import REFRESH_TIMEOUT
from labkit.sidecar.serving import Limits, TlsContext, run, server
from labkit.sidecar.sidecar import Pieces, Sidecar
from labkit.sidecar.web_config import WebConfig, read_web_config
from labkit.web.listening import listen

log = logging.getLogger("labkit")

# What is sent at a time. The page itself is shared by all that are given it, and held until the slowest has taken it.
CHUNK = 256 * 1024
# The fastest: it already saves most of the bytes.
GZIP_LEVEL = 1

LANDING_PAGE = """<!doctype html><html lang="en"><title>labkit sidecar</title>
<meta name="color-scheme" content="light dark">
<body style="font-family: sans-serif; max-width: 40em; margin: 3em auto">
<h1>labkit sidecar</h1><p>What the writers left in Redis, as Prometheus metrics.</p>
<ul><li><a href="metrics">metrics</a></li><li><a href="-/healthy">health</a>: the sidecar runs</li>
<li><a href="-/ready">readiness</a>: and can read Redis</li></ul></body></html>
"""


class SidecarApp:
    """The endpoints of one sidecar, and the web configuration that protects them."""

    def __init__(self, redis_url: str, prefix: str, web_config: Path | None) -> None:
        self._path = web_config
        self.web = read_web_config(web_config) if web_config else WebConfig()
        self._sidecar = Sidecar(redis_url, prefix=prefix)
        self._refresh = SingleFlight(self._sidecar.refresh)
        self._reloading = threading.Lock()

    def application(self) -> Starlette:
        pages = {"/metrics": self._metrics, "/-/healthy": _healthy, "/-/ready": self._ready, "/": _landing}
        return Starlette(
            routes=[Route(path, page) for path, page in pages.items()],
            middleware=[Middleware(Authentication, config=lambda: self.web)],
            lifespan=self._lifespan,
        )

    def reload(self) -> None:
        """Reload the web configuration and the Lua script; keep what cannot be replaced, and log that."""
        with self._reloading:
            if self._path:
                self._reload_web(self._path)
            self._sidecar.reload()

    def tls(self) -> TlsContext | None:
        """Return a context that always has the current certificates; None if the configuration has none."""
        return TlsContext.of(lambda: self.web.tls) if self.web.tls else None

    def _reload_web(self, path: Path) -> None:
        try:
            self.web = self._replacement(path)
            log.warning("%s has been reloaded.", path)
        except LabkitError as error:
            log.warning("%s The old web configuration stays in use.", error)

    def _replacement(self, path: Path) -> WebConfig:
        web = read_web_config(path)
        if (web.tls is None) != (self.web.tls is None):
            raise LabkitError(f"{path}: TLS cannot be switched on or off while the sidecar runs: restart it.")
        return web

    async def _metrics(self, request: Request) -> Response:
        if "match[]" in request.query_params:
            return PlainTextResponse("match[] is not supported; select with name[]=NAME.\n", 400)
        started = perf_counter()
        page, found = await self._page(request)
        headers = {"Content-Type": CONTENT_TYPES[found], "Vary": "Accept, Accept-Encoding"}
        client = request.client.host if request.client else None
        if compresses(request.headers.get("accept-encoding", ""), client):
            page = (await run_in_threadpool(gzip.compress, b"".join(page), GZIP_LEVEL, mtime=0),)
            headers["Content-Encoding"] = "gzip"
        self._sidecar.scraped(perf_counter() - started)
        return _Page(page, headers=headers)

    async def _page(self, request: Request) -> tuple[Pieces, Format]:
        """Return the page that is due to whoever asks, while they still wait for it."""
        wanted = negotiate(",".join(request.headers.getlist("accept")))
        names = frozenset(request.query_params.getlist("name[]"))

        async def fresh() -> tuple[Pieces, Format]:
            up = await self._refresh()
            return await run_in_threadpool(self._sidecar.page, up, wanted, names)

        timeout = refresh_timeout(request.headers.get("x-prometheus-scrape-timeout-seconds", ""), REFRESH_TIMEOUT)
        making = asyncio.create_task(fresh())
        done, _ = await asyncio.wait([making], timeout=timeout)
        # It goes on, for those who wait longer: one client's haste is nobody else's business.
        return making.result() if done else await run_in_threadpool(self._sidecar.page, False, wanted, names)

    async def _ready(self, _: Request) -> Response:
        if await self._refresh():
            return PlainTextResponse("labkit sidecar is ready.\n")
        return PlainTextResponse("Redis does not answer, or refuses to be read.\n", 503)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        stop = threading.Event()
        walker = threading.Thread(target=self._sidecar.walk_forever, args=(stop,), name="labkit-walk", daemon=True)
        walker.start()
        yield
        stop.set()
        self._sidecar.close()


class SingleFlight:
    """Callers that come while the work is being done wait for it and share its result."""

    def __init__(self, work: Callable[[], bool]) -> None:
        self._work = work
        self._flight: asyncio.Task[bool] | None = None

    async def __call__(self) -> bool:
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(run_in_threadpool(self._work))
        # The others still wait for it when one of them is canceled.
        return await asyncio.shield(self._flight)


class _Page(Response):
    """Sends its body in pieces, each once the client has taken the one before."""

    def __init__(self, pieces: tuple[bytes, ...], headers: dict[str, str]) -> None:
        super().__init__(headers={**headers, "Content-Length": str(sum(map(len, pieces)))})
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's signature
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in self._pieces:
            for start in range(0, len(piece), CHUNK):
                part = piece[start : start + CHUNK]
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("labkit sidecar is healthy.\n")


async def _landing(_: Request) -> Response:
    return HTMLResponse(LANDING_PAGE)


def create_app(redis_url: str, *, prefix: str = "metrics", web_config: Path | None = None) -> Starlette:
    """Return the sidecar as an ASGI application; `web_config` names users and tokens; TLS is up to the server.

    Raises:
        ConnectionFailed: the URL is malformed. If nothing answers there, that is not an error: the page says so.
        LabkitError: the web configuration cannot be used.
    """
    return SidecarApp(redis_url, prefix, web_config).application()


def serve(redis_url: str, host: str, port: int, *, prefix: str = "metrics", web_config: Path | None = None) -> None:
    """Run the sidecar until SIGTERM or SIGINT; a scrape in progress is answered first. SIGHUP: see `SidecarApp.reload`.

    Raises:
        ConnectionFailed: the URL is malformed.
        MetricError: the prefix is invalid.
        PortInUse: another process uses the port.
        LabkitError: the web configuration cannot be used.
    """
    with listen(host, port) as listener:
        app = SidecarApp(redis_url, prefix, web_config)
        running = server(app.application(), Limits(), app.tls())
        scheme = "https" if app.web.tls else "http"
        log.warning("labkit sidecar: %s://%s:%d/metrics shows %s", scheme, host, port, redact(redis_url))
        run(running, listener, app.reload)
