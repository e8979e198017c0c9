"""How soon are a thousand writers right again when their server is back, and what does that do to it?

`python benchmarks/comeback.py` lets 1,000 writers in four processes record, pauses their Valkey for 35 s and lets it go
on: first with the back-off alone, then with the questions whether it is back. Another client asks all the time, to see
how long anybody else waits for an answer.
"""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from threading import Event, Thread
from time import monotonic, sleep
from typing import cast

import numpy as np
import redis

from benchmarks._machine import describe, is_quick, table, valkey
from harness.redis_server import RedisServer, processor_seconds
from labkit import RedisMetricsService
from labkit.keyspace.connection import connect
from labkit.writer.attempts import Attempts

SIDES = ("back-off alone", "with questions")
PROCESSES = 4
# So that all have failed before the server goes on: an interval, and the time that a writer waits for an answer, s.
FLUSH_INTERVAL, FAILS_WITHIN = 2.0, 5.0
# More than the longest back-off, s.
PATIENCE = 60.0

_barrier: Barrier


@dataclass(frozen=True)
class Return:
    """Seconds from the server's return until each writer was right; the longest wait of another client, ms.

    `busy` is the processor time, in s, that the server spent meanwhile; `connections` are all that it ever took.
    """

    waits: list[float]
    longest: float
    busy: float
    connections: int
    total: float


def write(url: str, writers: int, asks: bool) -> list[float]:
    """Record in so many writers before and while the server is away; return when each of them was right again."""
    if not asks:
        Attempts.look = _look_at_nothing  # type: ignore[method-assign]  # as it was before
    logging.disable()
    services = [RedisMetricsService(url, flush_interval=FLUSH_INTERVAL) for _ in range(writers)]
    counters = [service.counter("events", "Help.") for service in services]
    for service, counter in zip(services, counters, strict=True):
        counter.inc()
        service.flush(PATIENCE)
    _barrier.wait()  # all are there: the server is paused
    _barrier.wait()
    for counter in counters:
        counter.inc(10)
    _barrier.wait()  # the server goes on
    back = dict[int, float]()
    while len(back) < writers:
        here = [n for n, service in enumerate(services) if n not in back and not service.stats().last_error]
        back |= dict.fromkeys(here, monotonic())
        sleep(0.02)
    for service in services:
        service.close()
    return list(back.values())


def _look_at_nothing(self: Attempts, interval: float) -> None:
    """Leave it to the back-off."""


@contextmanager
def answers(server: redis.Redis) -> Iterator[list[float]]:
    """Ask all the time; afterwards, the list has each wait for an answer, in ms."""
    over, waits = Event(), list[float]()

    def ask() -> None:
        while not over.wait(0.005):
            started = monotonic()
            server.ping()
            waits.append(1000 * (monotonic() - started))

    asking = Thread(target=ask)
    asking.start()
    yield waits
    over.set()
    asking.join()


def come_back(server: RedisServer, barrier: Barrier, pause: float, running: list[Future[list[float]]]) -> Return:
    """Pause the server and let it go on, and watch what follows."""
    other = connect(server.url, timeout=PATIENCE)
    other.ping()
    barrier.wait()
    before = processor_seconds(server)
    server.pause()
    barrier.wait()
    sleep(pause)
    barrier.wait()
    server.resume()
    resumed = monotonic()
    with answers(other) as waits:
        ends = [end - resumed for future in running for end in future.result()]
    busy, found = processor_seconds(server) - before, cast(dict[str, int], server.client.info("stats"))
    total = float(json.loads(cast(bytes, server.client.get("metrics:counter:events")))["value"])
    return Return(ends, max(waits), busy, found["total_connections_received"], total)


def measure(asks: bool, writers: int, pause: float) -> Return:
    """Return what one side does to a server of its own."""
    context = get_context("spawn")
    barrier = context.Barrier(PROCESSES + 1)
    with (
        valkey("--tcp-backlog", "511") as server,
        ProcessPoolExecutor(PROCESSES, context, _share, (barrier,)) as pool,
    ):
        running = [pool.submit(write, server.url, writers // PROCESSES, asks) for _ in range(PROCESSES)]
        return come_back(server, barrier, pause, running)


def _share(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603  how a pool hands its processes what cannot be sent later
    _barrier = barrier


def _figures(found: Return) -> tuple[float, ...]:
    return (*np.percentile(found.waits, (50, 95, 100)), found.longest, found.busy)


def _row(name: str, found: Return) -> list[str]:
    return [name, *(f"{value:,.{digits}f}" for value, digits in zip(_figures(found), (1, 1, 1, 0, 2), strict=True))]


def _ratios(old: Return, new: Return) -> list[str]:
    return ["ratio", *(f"{before / now:.1f}×" for before, now in zip(_figures(old), _figures(new), strict=True))]


def main() -> None:
    """Measure both sides and print the table."""
    writers, pause = (8, FAILS_WITHIN) if is_quick(__doc__, "few writers, a short pause") else (1000, 35.0)
    with valkey() as server:
        print(describe(server))
    sides = [measure(side == SIDES[1], writers, pause) for side in SIDES]
    print(f"{writers:,} writers, the server paused for {pause:g} s.\n")
    header = ["right again after, s", "median", "95 %", "all", "others wait, ms", "server busy, s"]
    print(table(header, [*(_row(*row) for row in zip(SIDES, sides, strict=True)), _ratios(*sides)]))
    rows = {
        "connections": [f"{side.connections:,}" for side in sides],
        "records": [f"{11 * writers:,}" for _ in sides],
        "missing": [f"{11 * writers - side.total:,.0f}" for side in sides],
    }
    print(table(["of all writers", *SIDES], [[name, *cells] for name, cells in rows.items()]))


if __name__ == "__main__":
    main()
