"""How fast do changes reach Redis, and what does a tick cost that has nothing to send?

`python benchmarks/flush.py` flushes changes to existing series, three observations to each histogram, into a server
of its own over loopback, beside plain pipelined SETs of the same keys and values in the same run. A second table has
the server's processor time for one batch; `--against DIR`, another checkout, adds what it costs with that one's labkit.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import _batch_cost
from benchmarks._machine import describe, table, valkey
from harness.redis_server import RedisServer
from labkit import RedisMetricsService

BUCKETS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
GOALS = {"counter": 150_000, "histogram": 80_000}
SLOW_GOAL, TICK_GOAL = 5.0, 20.0  # ms
PER_ROUND_TRIP = 256
ROOT = Path(__file__).parent.parent
IDLE_SECONDS = 5.0

Record = Callable[[], None]


@dataclass(frozen=True)
class Flush:
    """One flush: seconds in all, those of the server in the script, and this process's processor time."""

    wall: float
    server: float
    client: float


def flush(service: RedisMetricsService, server: RedisServer) -> Flush:
    """Flush what was recorded."""
    server.client.config_resetstat()
    before, processor = service.stats(), time.process_time()
    service.flush(60)
    after, spent = service.stats(), time.process_time() - processor
    wall = (after.flush_seconds - before.flush_seconds) / (after.flushes - before.flushes)
    return Flush(wall, server.client.info("commandstats")["cmdstat_evalsha"]["usec"] / 1e6, spent)


def sets(server: RedisServer, pairs: list[tuple[bytes, bytes]]) -> float:
    """Return how long it takes to SET every key, s."""
    started = time.perf_counter()
    for start in range(0, len(pairs), PER_ROUND_TRIP):
        pipeline = server.client.pipeline(transaction=False)
        for key, value in pairs[start : start + PER_ROUND_TRIP]:
            pipeline.set(key, value, px=1_800_000)
        pipeline.execute()
    return time.perf_counter() - started


def held(server: RedisServer, kind: str) -> list[tuple[bytes, bytes]]:
    """Return keys and values of the series that were flushed."""
    keys = list(server.client.scan_iter(f"metrics:{kind}:bench_{kind}:*", count=1000))
    values = [value for value in server.client.mget(keys) if isinstance(value, bytes)]
    return list(zip(keys, values, strict=True))


def recorders(service: RedisMetricsService, series: int) -> dict[str, Record]:
    """Return, for each kind, what records to every one of its series."""
    counter = service.counter("bench_counter", "Help.", ["n"])
    histogram = service.histogram("bench_histogram", "Help.", ["n"], buckets=BUCKETS)
    counters = [counter.labels(n=str(n)) for n in range(series)]
    histograms = [histogram.labels(n=str(n)) for n in range(series)]

    def count() -> None:
        for child in counters:
            child.inc()

    def observe() -> None:
        for n, child in enumerate(histograms):
            for most in (7, 400, 9000):
                child.observe(n % most + 0.5)

    return {"counter": count, "histogram": observe}


def measure(server: RedisServer, series: int, rounds: int) -> tuple[list[list[str]], float]:
    """Return a row for each kind, the best of several rounds, and the slowest command, ms."""
    rows, slowest = [], 0.0
    with RedisMetricsService(server.url, flush_interval=600) as service:
        for kind, record in recorders(service, series).items():
            service.flush(60)
            server.client.slowlog_reset()
            flushes, plain = [], []
            for _ in range(rounds):
                record()
                flushes.append(flush(service, server))
            slowest = max([slowest, *(entry["duration"] / 1000 for entry in server.client.slowlog_get(10_000))])
            pairs = held(server, kind)
            plain = [sets(server, pairs) for _ in range(rounds)]
            rows.append(_row(kind, series, min(flushes, key=lambda one: one.wall), min(plain)))
    return rows, slowest


def _row(kind: str, series: int, best: Flush, plain: float) -> list[str]:
    rates = [f"{series / best.wall:,.0f}", f"{GOALS[kind]:,}", f"{series / plain:,.0f}", f"{plain / best.wall:.2f}"]
    return [f"{kind}s", *rates, f"{best.server / best.wall:.0%}", f"{best.client / best.wall:.0%}"]


def idle(server: RedisServer, series: int) -> tuple[float, float]:
    """Return the time of a flush with nothing to send but the writer's own series, ms, and the load while idle."""
    with RedisMetricsService(server.url, flush_interval=600, prefix="idle", max_series=10**6) as service:
        counter = service.counter("bench_counter", "Help.", ["n"])
        for n in range(series):
            counter.labels(n=str(n))
        service.flush(60)
        ticks = [flush(service, server).wall * 1000 for _ in range(9)]
        before = time.process_time()
        time.sleep(IDLE_SECONDS)
        return min(ticks), (time.process_time() - before) / IDLE_SECONDS


def batch_cost(tree: Path, case: str) -> float | None:
    """Return what a batch costs a server of its own with the labkit of this tree, ms; None if it takes too long."""
    with valkey() as server:
        command = [sys.executable, _batch_cost.__file__, str(server.port), case]
        environment = os.environ | {"PYTHONPATH": str(tree)}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return None if done.stdout == "null" else float(done.stdout)


def batch_costs(trees: list[Path], cases: list[str]) -> str:
    """Return the table of what batches cost, with a column for each tree; of two, the first is the present one."""
    header, rows = ["processor time of the server for a batch of", "ms", "before, ms", "÷ before"], []
    for case in cases:
        costs = [batch_cost(tree, case) for tree in trees]
        known = [cost for cost in costs if cost is not None]
        ratio = f"{known[0] / known[1]:.2f}" if len(known) == 2 else "–"
        rows.append(
            [case, *("–" if cost is None else f"{cost:.2f}" for cost in costs), *([ratio] if costs[1:] else [])]
        )
    return table(header[: len(rows[0])], rows)


def main() -> None:
    """Measure both kinds, an idle writer and single batches, and print them beside their goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few series: only shows that it works")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout, to compare batches with")
    options = parser.parse_args()
    quick, trees = options.quick, [ROOT, *([options.against.absolute()] if options.against else [])]
    series, rounds, idle_series = (500, 2, 2_000) if quick else (10_000, 15, 100_000)
    with valkey("--slowlog-log-slower-than", "500", "--slowlog-max-len", "10000") as server:
        print(describe(server))
        rows, slowest = measure(server, series, rounds)
        tick, load = idle(server, idle_series)
    header = ["changed series", "flushed/s", "goal", "SET/s", "ratio", "server busy", "client busy"]
    print(table(header, rows))
    print(f"{series:,} series of each kind, best of {rounds} flushes. The busier side is what limits the rate.")
    print(f"Slowest command of all: {slowest:.1f} ms (goal: below {SLOW_GOAL:g} ms).")
    print(f"Tick over {idle_series:,} idle series: {tick:.1f} ms (goal: below {TICK_GOAL:g} ms); ", end="")
    print(f"with no flush, the writer keeps a processor busy for {load:.1%}.\n")
    print(batch_costs(trees, list(_batch_cost.CASES)[: 3 if quick else None]))


if __name__ == "__main__":
    main()
