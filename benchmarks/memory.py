"""Does memory follow the number of series, and not of events? Even while Redis is away?

`python benchmarks/memory.py` observes 500,000 times a second over 10,000 histograms for a minute, in a process of its
own for each side, and prints by how much it grew once all series existed, were written and had been recorded to.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from threading import Event, Thread

import psutil

from benchmarks._load import SERIES, observers, spin
from benchmarks._machine import describe, is_quick, table, valkey
from labkit import FlushError, RedisMetricsService

GOAL = 64  # MB
MB = 2**20
FLUSH_INTERVAL = 5.0
WARM_UP = 6.0  # s: at least one flush
SAMPLING = 0.25  # s


@dataclass(frozen=True)
class Growth:
    """Resident memory before, and how far above that at most and at the end, in MB; observations a second."""

    before: float
    peak: float
    end: float
    rate: float


def grow(url: str, server_pid: int, seconds: float) -> Growth:
    """Observe for `seconds` with the server up, or killed just before if `server_pid` is given."""
    metrics = RedisMetricsService(url, flush_interval=FLUSH_INTERVAL)
    observe = observers(metrics)
    spin(observe, min(WARM_UP, seconds))
    metrics.flush()
    if server_pid:
        psutil.Process(server_pid).kill()
    before = _resident()
    with _watching() as samples:
        rate = spin(observe, seconds)
    end = _resident()
    # With the server gone there is nobody to write the rest to.
    with suppress(FlushError) if server_pid else nullcontext():
        metrics.close(timeout=0.1 if server_pid else 10.0)
    return Growth(before, max(*samples, end) - before, end - before, rate)


@contextmanager
def _watching() -> Iterator[list[float]]:
    samples, over = [0.0], Event()

    def sample() -> None:
        while not over.wait(SAMPLING):
            samples.append(_resident())

    thread = Thread(target=sample)
    thread.start()
    yield samples
    over.set()
    thread.join()


def _resident() -> float:
    return float(psutil.Process().memory_info().rss) / MB


def measure(seconds: float, *, kill: bool) -> Growth:
    """Return the growth of a process of its own, with a server of its own."""
    with valkey() as server, ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(grow, server.url, server.process.pid if kill else 0, seconds).result()


def main() -> None:
    """Measure both sides and print the table."""
    seconds = 0.5 if is_quick(__doc__, "half a second per side") else 60.0
    with valkey() as server:
        print(describe(server, "psutil"))
    sides = {"Redis there": measure(seconds, kill=False), "Redis away": measure(seconds, kill=True)}
    rates = ", ".join(f"{side.rate:,.0f}" for side in sides.values())
    print(f"{SERIES:,} live histograms, {seconds:g} s per side; observations a second: {rates}.\n")
    header = ["resident memory, MB", "before", "grows by at most", "at the end"]
    rows = [[name, *(f"{n:,.1f}" for n in (side.before, side.peak, side.end))] for name, side in sides.items()]
    print(table(header, rows))
    print(f"Goal: it grows by at most {GOAL} MB.")


if __name__ == "__main__":
    main()
