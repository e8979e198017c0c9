"""Exposition: what the sidecar knows. The series of one Redis, metrics of its own, and the page made of both."""

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from math import nan
from time import monotonic, perf_counter

import prometheus_client as prom
import redis
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition
from prometheus_client.registry import Collector

from labkit.extras import installed
from labkit.keyspace.connection import redact
from labkit.keyspace.keys import Keys
from labkit.sidecar.bounded_reads import bounded_client, cause
from labkit.sidecar.filtering import select
from labkit.sidecar.negotiation import Format
from labkit.sidecar.openmetrics import openmetrics
from labkit.sidecar.series_cache import REFRESH_TIMEOUT, SeriesCache

log = logging.getLogger("labkit")

# When a histogram of ours began is of no use, and doubles the page.
prom.disable_created_metrics()

# A page, not joined: the largest part of it is what the series cache keeps anyway.
Pieces = tuple[bytes, ...]

# Prometheus itself adds these to what it scrapes.
_OF_PROMETHEUS = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
}

WALK_INTERVAL = 60.0


class Sidecar:
    """Reads the series of one Redis and puts them on a page, together with metrics of its own.

    Raises:
        ConnectionFailed: the URL is malformed. If nothing answers there, that is not an error: the page says so.
    """

    def __init__(self, redis_url: str, *, prefix: str = "metrics") -> None:
        self._url, self._keys = redis_url, Keys(prefix)
        self._over = threading.Event()
        self._client = bounded_client(redis_url, self._over)
        self._metrics = SelfMetrics(lambda: self._cache)
        self._cache = self._new_cache()
        self._was_up: bool | None = None
        self._lock = threading.Lock()
        self._text: Pieces | None = None
        self._openmetrics: bytes | None = None

    def refresh(self, timeout: float = REFRESH_TIMEOUT) -> bool:
        """Read what changed in Redis; return whether it could be read, within about `timeout` seconds."""
        started = perf_counter()
        try:
            self._cache.refresh(timeout)
        except (redis.RedisError, OSError) as error:
            if self._up_is(False):
                log.warning("%s: %s. The page says redis_up 0 until it answers.", redact(self._url), cause(error))
            return False
        except Exception:
            # A page without series says more than none.
            if self._up_is(False):
                log.exception("%s could not be read. The page says redis_up 0 until it can.", redact(self._url))
            return False
        if self._up_is(True):
            log.warning("%s answers.", redact(self._url))
        self._metrics.refreshed(perf_counter() - started)
        return True

    def page(self, up: bool, wanted: Format, names: Collection[str]) -> tuple[Pieces, Format]:
        """Return the page as of the last refresh, in pieces, and its format; with `names`, only these, and as text.

        Unless Redis was `up` at the refresh, it has no series of the application.
        """
        if names:
            return self._selected(up, names), "text"
        text = self._cache.page() if up else ()
        other = self._as_openmetrics(text) if wanted == "openmetrics" else None
        found: Format = "text" if other is None else "openmetrics"
        series = text if other is None else (other,)
        return (*series, self._metrics.page(up, sum(map(len, series)), found)), found

    def scraped(self, seconds: float) -> None:
        """Note how long a page took to make; the next one says so."""
        self._metrics.scrape_seconds.observe(seconds)

    def reload(self) -> None:
        """Load the Lua script as it is now, if Redis accepts it, and read everything again with it."""
        try:
            cache = self._new_cache()
            cache.walk(threading.Event())
        except (redis.RedisError, OSError) as error:
            log.warning("%s: %s. The old script stays in use.", redact(self._url), cause(error))
        else:
            self._cache = cache
            log.warning("The script has been reloaded.")

    def walk_forever(self, stop: threading.Event) -> None:
        """Walk the keyspace now and then every `WALK_INTERVAL`, until `stop` is set."""
        while not stop.is_set():
            try:
                self._cache.walk(stop)
            except (redis.RedisError, OSError) as error:
                log.warning("%s: the keyspace could not be walked: %s.", redact(self._url), cause(error))
            except Exception:
                # A sidecar that never walks again would show deleted series forever.
                log.exception("%s: the keyspace could not be walked.", redact(self._url))
            stop.wait(WALK_INTERVAL)

    def close(self) -> None:
        """Read no further, and close the connections to Redis that nobody is using any more."""
        # Python waits for the thread that reads, and a slow link may keep it for a minute.
        self._over.set()
        self._client.connection_pool.disconnect(inuse_connections=False)

    def _new_cache(self) -> SeriesCache:
        return SeriesCache(self._client, self._keys, self._metrics.names)

    def _as_openmetrics(self, text: Pieces) -> bytes | None:
        """Return the series as OpenMetrics, made again only when their text changes."""
        if not text:
            return b""
        with self._lock:
            if self._text is not text:
                families = self._cache.families()
                self._openmetrics, self._text = openmetrics(families, self._metrics.names), text
            return self._openmetrics

    def _selected(self, up: bool, names: Collection[str]) -> Pieces:
        series = select(self._cache.families(), names) if up else b""
        return series, self._metrics.page(up, len(series), "text", names)

    def _up_is(self, up: bool) -> bool:
        """Note the state of Redis; return whether it changed."""
        changed = self._was_up != up
        self._was_up = up
        return changed


class SelfMetrics:
    """The sidecar's metrics about itself. `names` are those that no application can have on the same page."""

    def __init__(self, cache: Callable[[], SeriesCache]) -> None:
        self._registry = registry = prom.CollectorRegistry()
        self._lock = threading.Lock()
        self._refreshed_at = nan
        self._up = prom.Gauge("redis_up", "Whether Redis answered at this scrape.", registry=registry)
        self._refresh_seconds = prom.Histogram(
            "labkit_sidecar_refresh_seconds", "Time to read what changed in Redis.", registry=registry
        )
        self.scrape_seconds = prom.Histogram(
            "labkit_sidecar_scrape_seconds", "Time to make a page, the refresh included.", registry=registry
        )
        self._bytes = prom.Gauge(
            "labkit_sidecar_page_bytes", "Size of the application's series on this page.", registry=registry
        )
        age = prom.Gauge("labkit_sidecar_data_age_seconds", "Time since Redis was last read.", registry=registry)
        age.set_function(lambda: monotonic() - self._refreshed_at)
        info = prom.Gauge("labkit_build_info", "The version of labkit.", ["version"], registry=registry)
        info.labels(installed()).set(1)
        own = [*registry.collect(), *_CacheCollector(cache).describe()]
        self.names = {family.name for family in own} | {sample.name for family in own for sample in family.samples}
        self.names |= _OF_PROMETHEUS
        registry.register(_CacheCollector(cache))

    def refreshed(self, seconds: float) -> None:
        self._refreshed_at = monotonic()
        self._refresh_seconds.observe(seconds)

    def page(self, up: bool, size: int, wanted: Format, names: Collection[str] = ()) -> bytes:
        """Return the metrics, for a page that has `size` bytes of series; `up` is whether Redis answered to it."""
        with self._lock:
            self._up.set(up)
            self._bytes.set(size)
            if wanted == "openmetrics":
                return bytes(exposition.generate_latest(self._registry))
            registry = self._registry.restricted_registry(names) if names else self._registry
            return prom.generate_latest(registry)


class _CacheCollector(Collector):
    """The size and the failures of the series cache, read when the page is made."""

    def __init__(self, cache: Callable[[], SeriesCache]) -> None:
        self._cache = cache

    def describe(self) -> list[Metric]:
        return self._families(0, {}, 0)

    def collect(self) -> list[Metric]:
        cache = self._cache()
        return self._families(len(cache), cache.skipped, cache.pages_read)

    def _families(self, series: int, skipped: Mapping[str, int], pages: int) -> list[Metric]:
        reasons = GaugeMetricFamily(
            "labkit_sidecar_series_skipped", "Series that cannot be read at present, by reason.", labels=["reason"]
        )
        for reason, count in skipped.items():
            reasons.add_metric([reason], count)
        return [
            GaugeMetricFamily("labkit_sidecar_series", "Series on the page.", series),
            reasons,
            CounterMetricFamily("labkit_sidecar_pages_read", "Pages of changed series requested from Redis.", pages),
        ]
