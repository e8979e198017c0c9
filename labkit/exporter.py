"""Exposition: labkit's sidecar. `GET /metrics` is the page that Prometheus scrapes.

The application has no metrics endpoint; this process reads what its writer left in Redis, and nothing else does.
"""

import contextlib
import logging
import threading
from collections.abc import AsyncIterator
from importlib.metadata import version
from time import perf_counter

import prometheus_client as prom
import redis
import uvicorn
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from labkit.connection import connect, redact
from labkit.exposition import CONTENT_TYPE, page
from labkit.keys import Keys
from labkit.listening import listen
from labkit.mirror import Mirror

log = logging.getLogger("labkit")

# When a histogram of ours began is of no use to anybody, and doubles the page.
prom.disable_created_metrics()  # type: ignore[no-untyped-call]  # upstream has no annotation

WALK_INTERVAL = 60.0
# Less than a scrape of every second waits for us: a Redis that hangs must show as redis_up 0, not as a dead sidecar.
REDIS_TIMEOUT = 0.7

LANDING_PAGE = """<!doctype html><html lang="en"><title>labkit sidecar</title>
<body style="font-family: sans-serif; max-width: 40em; margin: 3em auto">
<h1>labkit sidecar</h1><p>What the writers left in Redis, as Prometheus metrics.</p>
<ul><li><a href="metrics">metrics</a></li><li><a href="-/healthy">health</a></li></ul></body></html>
"""


class Sidecar:
    """Reads the series of one Redis and puts them on a page, together with metrics of its own."""

    def __init__(self, redis_url: str, *, prefix: str = "metrics") -> None:
        self._url = redis_url
        self._mirror = Mirror(connect(redis_url, timeout=REDIS_TIMEOUT), Keys(prefix))
        self._registry = prom.CollectorRegistry()
        self._up = prom.Gauge("redis_up", "Whether Redis answered at this scrape.", registry=self._registry)
        self._refresh_seconds = prom.Histogram(
            "labkit_sidecar_refresh_seconds", "Time to read what changed in Redis.", registry=self._registry
        )
        info = prom.Gauge("labkit_build_info", "The version of labkit.", ["version"], registry=self._registry)
        info.labels(version("labkit")).set(1)
        self._registry.register(_MirrorCollector(self._mirror))
        self._was_up: bool | None = None

    def page(self) -> bytes:
        """Return the page as of now. While Redis is away it has `redis_up 0` and no series of the application."""
        up = self._refresh()
        own = prom.generate_latest(self._registry)
        return page(self._mirror.families()) + own if up else own

    def walk_forever(self, stop: threading.Event) -> None:
        """Walk the keyspace every `WALK_INTERVAL` until `stop` is set."""
        while not stop.wait(WALK_INTERVAL):
            try:
                self._mirror.walk(stop)
            except redis.RedisError as error:
                log.warning("%s: the keyspace could not be walked: %s", redact(self._url), error)

    def _refresh(self) -> bool:
        started = perf_counter()
        try:
            self._mirror.refresh()
        except (redis.RedisError, OSError) as error:
            if self._up_is(False):
                log.warning(
                    "%s: %s. The page says redis_up 0 until it answers.", redact(self._url), str(error).rstrip(".")
                )
            return False
        if self._up_is(True):
            log.warning("%s answers.", redact(self._url))
        self._refresh_seconds.observe(perf_counter() - started)
        return True

    def _up_is(self, up: bool) -> bool:
        """Note the state of Redis; return whether it changed."""
        changed = self._was_up != up
        self._was_up = up
        self._up.set(up)
        return changed


class _MirrorCollector(Collector):
    """The size and the failures of the mirror, read when the page is made."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def collect(self) -> list[GaugeMetricFamily]:
        series = GaugeMetricFamily("labkit_sidecar_series", "Series on the page.", value=len(self._mirror))
        skipped = GaugeMetricFamily(
            "labkit_sidecar_series_skipped", "Series that cannot be read at present, by reason.", labels=["reason"]
        )
        for reason, count in self._mirror.skipped.items():
            skipped.add_metric([reason], count)
        return [series, skipped]


def create_app(redis_url: str, *, prefix: str = "metrics") -> Starlette:
    """Return the sidecar as an ASGI application.

    Raises:
        ConnectionFailed: the URL is malformed. That nothing answers there is no error: the page says so.
    """
    sidecar = Sidecar(redis_url, prefix=prefix)

    def metrics(_: Request) -> Response:
        return Response(sidecar.page(), headers={"Content-Type": CONTENT_TYPE})

    def healthy(_: Request) -> Response:
        return PlainTextResponse("labkit sidecar is healthy.\n")

    def landing(_: Request) -> Response:
        return HTMLResponse(LANDING_PAGE)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        stop = threading.Event()
        walker = threading.Thread(target=sidecar.walk_forever, args=(stop,), name="labkit-walk", daemon=True)
        walker.start()
        yield
        stop.set()

    routes = [Route("/metrics", metrics), Route("/-/healthy", healthy), Route("/", landing)]
    return Starlette(routes=routes, lifespan=lifespan)


def serve(redis_url: str, host: str, port: int, *, prefix: str = "metrics") -> None:
    """Run the sidecar until SIGTERM or SIGINT; a scrape in hand is answered first.

    Raises:
        ConnectionFailed: the URL is malformed.
        MetricError: the prefix cannot be one.
        PortInUse: the port belongs to somebody else.
    """
    with listen(host, port) as listener:
        app = create_app(redis_url, prefix=prefix)
        log.warning("labkit sidecar: http://%s:%d/metrics shows %s", host, port, redact(redis_url))
        config = uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=2)
        uvicorn.Server(config).run([listener])
