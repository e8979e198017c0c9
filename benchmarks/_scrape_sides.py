"""The sides of `scrape.py`: each serves, or makes, a page of the same series."""

import http.client
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import psutil
import uvicorn
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from harness.process import answers, free_port, wait_until
from harness.sidecar_process import StockExporter

# With +Inf, sum and count: 16 samples.
BUCKETS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
PROCESSES = 4
TIMEOUT = 120.0


def scrape(port: int) -> tuple[float, int]:
    """Return how long GET /metrics takes over loopback, s, and the bytes of the page."""
    started = perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    size = len(answer.read())
    connection.close()
    assert answer.status == 200, answer.status
    return perf_counter() - started, size


def resident(pid: int) -> int:
    """Return the resident memory of a process, bytes."""
    return int(psutil.Process(pid).memory_info().rss)


@contextmanager
def stock(redis_url: str) -> Iterator[int]:
    """Run the stock redis_exporter with our script, and yield its port."""
    # With its default timeout, the scrape of many series would end with nothing.
    options = ("-redis-only-metrics", "-connection-timeout", f"{TIMEOUT:g}s")
    with TemporaryDirectory() as folder, StockExporter(Path(folder), *options, REDIS_ADDR=redis_url) as exporter:
        yield exporter.port


@contextmanager
def floor(size: int) -> Iterator[int]:
    """Serve `size` constant bytes from memory, and yield the port."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(port, size))
    process.start()
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), "the server of constant bytes listening")
        yield port
    finally:
        process.kill()
        process.join()


def in_process(series: int) -> CollectorRegistry:
    """Return a registry of prometheus_client with the series."""
    registry = CollectorRegistry()
    observe(Histogram("bench_histogram", "Help.", ["n"], buckets=BUCKETS, registry=registry), series)
    return registry


def multiprocess(folder: Path, series: int) -> CollectorRegistry:
    """Return a registry that collects the files of processes which each have observed all series."""
    command = [sys.executable, "-m", "benchmarks._scrape_sides", str(series)]
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(folder)}
    processes = [subprocess.Popen(command, env=environment) for _ in range(PROCESSES)]
    assert [process.wait() for process in processes] == [0] * PROCESSES
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    return registry


def render(registry: CollectorRegistry) -> float:
    """Return how long generate_latest takes, s: not served, so nothing is sent."""
    started = perf_counter()
    generate_latest(registry)
    return perf_counter() - started


def observe(histogram: Histogram, series: int) -> None:
    """Observe each series three times."""
    for n in range(series):
        child = histogram.labels(n=str(n))
        for most in (7, 400, 9000):
            child.observe(n % most + 0.5)


def _serve(port: int, size: int) -> None:
    page = b"#" * size

    async def metrics(_: Request) -> Response:
        return Response(page)

    application = Starlette(routes=[Route("/metrics", metrics)])
    uvicorn.run(application, host="127.0.0.1", port=port, log_level="error", access_log=False)


if __name__ == "__main__":
    observe(Histogram("bench_histogram", "Help.", ["n"], buckets=BUCKETS), int(sys.argv[1]))
