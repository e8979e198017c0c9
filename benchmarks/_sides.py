"""labkit and its peers, each set up as its documentation says, with one counter and one histogram that have one label.

Each side is made in a process of its own: some of them choose how to work when they are imported.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from socket import AF_INET, SO_RCVBUF, SOCK_DGRAM, SOL_SOCKET, socket
from tempfile import TemporaryDirectory
from time import sleep
from typing import Any

import redis

BUCKETS = (5, 10, 25, 50, 100, 250, 500, 1000)
EVENT = "joined"


@dataclass(frozen=True)
class Side:
    """How one library records: statements, the names in them, and how many of the increments arrived."""

    names: Mapping[str, Any]
    arrived: Callable[[], float]
    inc: str = "child.inc()"
    labels: str = "counter.labels(event=event).inc()"
    observe: str = "took.observe(7.5)"
    # Finishes what is going on in the background.
    settle: Callable[[], None] = field(default=lambda: None)


@contextmanager
def labkit(url: str) -> Iterator[Side]:
    """The real service, its flush thread running, with a real server."""
    from labkit import RedisMetricsService

    def arrived() -> float:
        with redis.Redis.from_url(url) as client:
            return float(json.loads(str(client.get(f"metrics:counter:events:event={EVENT}"), "utf-8"))["value"])

    with RedisMetricsService(url) as metrics:
        counter = metrics.counter("events", "Help.", ["event"])
        histogram = metrics.histogram("took", "Help.", ["event"], buckets=BUCKETS, unit="ms")
        yield Side(_children(counter, histogram), arrived, settle=metrics.flush)


@contextmanager
def prometheus_client(_: str) -> Iterator[Side]:
    """In memory, behind locks."""
    from prometheus_client import REGISTRY, Counter, Histogram, generate_latest

    counter, histogram = Counter("events", "Help.", ["event"]), Histogram("took", "Help.", ["event"], buckets=BUCKETS)
    yield Side(_children(counter, histogram), lambda: _events(generate_latest(REGISTRY).decode()))


@contextmanager
def prometheus_client_multiprocess(_: str) -> Iterator[Side]:
    """In memory-mapped files."""
    with TemporaryDirectory() as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        counter = Counter("events", "Help.", ["event"])
        histogram = Histogram("took", "Help.", ["event"], buckets=BUCKETS)
        yield Side(_children(counter, histogram), lambda: _events(generate_latest(registry).decode()))


@contextmanager
def opentelemetry(_: str) -> Iterator[Side]:
    """In memory, with a reader; without one nothing would be recorded."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    meter = provider.get_meter("benchmark")
    counter = meter.create_counter("events")
    took = meter.create_histogram("took", unit="ms", explicit_bucket_boundaries_advisory=BUCKETS)

    def arrived() -> float:
        points = {metric["name"]: metric["data"]["data_points"] for metric in _metrics(reader.get_metrics_data())}
        return float(points["events"][0]["value"])

    yield Side(
        {"counter": counter, "took": took, "event": EVENT, "kept": {"event": EVENT}},
        arrived,
        "counter.add(1, kept)",
        'counter.add(1, {"event": event})',
        "took.record(7.5, kept)",
    )
    provider.shutdown()


def _metrics(data: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(data.to_json())["resource_metrics"][0]["scope_metrics"][0]["metrics"]
    return found


@contextmanager
def statsd(_: str) -> Iterator[Side]:
    """A datagram for each call, to a process that counts those it gets."""
    from statsd import StatsClient

    context = get_context("spawn")
    received, (here, there) = context.Value("q", 0), context.Pipe()
    sink = context.Process(target=_sink, args=(there, received), daemon=True)
    sink.start()
    client = StatsClient("127.0.0.1", here.recv())

    def arrived() -> float:
        before = -1
        while before != received.value:
            before = received.value
            sleep(0.2)
        return float(before)

    yield Side(
        {"client": client, "event": EVENT},
        arrived,
        f'client.incr("events.{EVENT}")',
        'client.incr(f"events.{event}")',
        f'client.timing("took.{EVENT}", 7.5)',
    )
    client.close()
    sink.terminate()
    sink.join()


def _sink(pipe: Connection, received: Any) -> None:
    with socket(AF_INET, SOCK_DGRAM) as listening:
        listening.setsockopt(SOL_SOCKET, SO_RCVBUF, 2**22)
        listening.bind(("127.0.0.1", 0))
        pipe.send(listening.getsockname()[1])
        while True:
            if listening.recv(512).startswith(b"events."):
                received.value += 1


@contextmanager
def prometheus_redis_client(url: str) -> Iterator[Side]:
    """A round trip for each call."""
    from prometheus_redis_client import REGISTRY, Counter, Histogram

    with redis.Redis.from_url(url) as client:
        REGISTRY.set_redis(client)
        counter = Counter("events", "Help.", ["event"])
        histogram = Histogram("took", "Help.", ["event"], buckets=list(BUCKETS))
        names = {**_children(counter, histogram), "histogram": histogram}
        # A kept child takes only one observation: it adds a label to itself.
        yield Side(names, lambda: _events(REGISTRY.output()), observe="histogram.labels(event=event).observe(7.5)")


@contextmanager
def pytheus(url: str) -> Iterator[Side]:
    """Two round trips for each number that changes."""
    from pytheus.backends.base import load_backend
    from pytheus.backends.redis import MultiProcessRedisBackend
    from pytheus.exposition import generate_metrics
    from pytheus.metrics import Counter, Histogram

    where = redis.ConnectionPool.from_url(url).connection_kwargs
    load_backend(MultiProcessRedisBackend, {"host": where["host"], "port": where["port"]})
    counter = Counter("events", "Help.", required_labels=["event"])
    histogram = Histogram("took", "Help.", required_labels=["event"], buckets=BUCKETS)
    yield Side(_children(counter, histogram), lambda: _events(generate_metrics()))


def _children(counter: Any, histogram: Any) -> Mapping[str, Any]:
    child, took = counter.labels(event=EVENT), histogram.labels(event=EVENT)
    return {"counter": counter, "child": child, "took": took, "event": EVENT}


def _events(page: str) -> float:
    """Return the counter's value on a page for Prometheus."""
    (value,) = re.findall(r"^events(?:_total)?\{[^}]*\} (\S+)$", page, re.MULTILINE)
    return float(value)


@dataclass(frozen=True)
class Entry:
    """A side by name, how often a round calls it (the slow ones less often), and the package it comes in."""

    name: str
    make: Callable[[str], AbstractContextManager[Side]]
    calls: int
    package: str


SIDES = (
    Entry("labkit", labkit, 100_000, "labkit"),
    Entry("prometheus_client", prometheus_client, 25_000, "prometheus_client"),
    Entry("prometheus_client, multiprocess", prometheus_client_multiprocess, 10_000, "prometheus_client"),
    Entry("opentelemetry-sdk", opentelemetry, 2_400, "opentelemetry-sdk"),
    Entry("statsd over UDP", statsd, 2_400, "statsd"),
    Entry("prometheus-redis-client", prometheus_redis_client, 160, "prometheus_redis_client"),
    Entry("pytheus with Redis", pytheus, 40, "pytheus"),
)
