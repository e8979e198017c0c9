"""Whatever is recorded, flushed, cut and killed, in whatever order: the totals in Redis are those recorded.

A longer run: HYPOTHESIS_PROFILE=soak pytest tests/writer/test_exactly_once.py --timeout 0
"""

import json
import os
from collections import Counter as Totals
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit import RedisMetricsService
from labkit.stack import binaries
from tests.redis_server import RedisServer
from tests.writer.fault_proxy import FaultProxy

EXAMPLES = 2000 if os.environ.get("HYPOTHESIS_PROFILE") == "soak" else 25
BOUNDS = (8.0, 64.0)
KINDS = ("counter", "gauge", "sum", "histogram")

# Eighths add up exactly in doubles, in any order.
amounts = st.integers(0, 1024).map(lambda n: n / 8)
writers = st.sampled_from([0, 1])
steps = st.one_of(
    st.tuples(st.just("record"), writers, st.sampled_from(KINDS), st.sampled_from("xyz"), amounts),
    st.tuples(st.just("flush"), writers),
    st.tuples(
        st.just("arm"), writers, st.sampled_from(["before the request", "after the request", "inside the reply"])
    ),
    st.tuples(st.just("cut"), writers),
    st.tuples(st.just("kill")),
    st.tuples(st.just("script flush")),
)


class World:
    """Two writers, each behind its own proxy, one server, and the truth."""

    def __init__(self, server: RedisServer, proxies: list[FaultProxy], prefix: str) -> None:
        self.server, self.proxies, self.prefix = server, proxies, prefix
        self.truth: Totals[str] = Totals()
        self.services = [RedisMetricsService(p.url, flush_interval=0.02, prefix=prefix) for p in proxies]
        self.metrics = [self._declare(service) for service in self.services]

    def _declare(self, service: RedisMetricsService) -> dict[str, Any]:
        return {
            "counter": service.counter("c", "Help.", ["s"]),
            "gauge": service.gauge("g", "Help.", ["s"]),
            "sum": service.gauge("shared", "Help.", ["s"], shared="sum"),
            "histogram": service.histogram("h", "Help.", ["s"], buckets=BOUNDS),
        }

    def record(self, writer: int, kind: str, series: str, amount: float) -> None:
        child = self.metrics[writer][kind].labels(s=series)
        if kind == "histogram":
            child.observe(amount)
            self.truth[f"histogram:h:s={series} {sum(amount > bound for bound in BOUNDS)}"] += 1
            self.truth[f"histogram:h:s={series} sum"] += amount  # type: ignore[assignment]  # eighths
        else:
            change = amount if kind == "counter" or writer == 0 else -amount
            child.inc(change)
            name = {"counter": "counter:c", "gauge": "gauge:g", "sum": "gauge:shared"}[kind]
            self.truth[f"{name}:s={series}"] += change  # type: ignore[assignment]  # eighths

    def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("record", writer, kind, series, amount):
                self.record(writer, kind, series, amount)
            case ("flush", writer):
                self.services[writer].flush(timeout=20)
            case ("arm", writer, fault):
                self.proxies[writer].arm(fault)
            case ("cut", writer):
                self.proxies[writer].cut()
            case ("kill",):
                self.server.kill()
                self.server.start()
            case _:
                self.server.client.script_flush()

    def found(self) -> dict[str, float]:
        """What Redis holds, in the form of the truth."""
        result: dict[str, float] = {}
        for key in self.server.client.scan_iter(f"{self.prefix}:*:s=*"):
            name, held = str(key, "utf-8").partition(":")[2], json.loads(self.server.client.get(key) or "")
            if "counts" in held:
                result |= {f"{name} {i}": n for i, n in enumerate(held["counts"])} | {f"{name} sum": held["sum"]}
            else:
                result[name] = held["value"]
        return {name: number for name, number in result.items() if number}

    def close(self) -> None:
        for service in self.services:
            service.close(timeout=20)


@pytest.fixture(scope="module")
def world_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisServer, list[FaultProxy]]]:
    """One server for all examples, which survives a kill with its file, and two proxies to it."""
    program, folder = binaries.find("valkey-server"), tmp_path_factory.mktemp("exactly_once")
    options = ("--appendonly", "yes", "--appendfsync", "always")
    server = RedisServer(program.path, program.environment, folder, *options)
    proxies = [FaultProxy(server.port), FaultProxy(server.port)]
    yield server, proxies
    for proxy in proxies:
        proxy.close()
    server.close()


numbers = count(1)


@settings(max_examples=EXAMPLES, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=5, max_size=40))
def test_totals_are_exact(world_of: tuple[RedisServer, list[FaultProxy]], sequence: list[tuple[Any, ...]]) -> None:
    """Two writers, every kind of series, cut connections and killed servers: not one event more or less."""
    world = World(*world_of, prefix=f"metrics{next(numbers)}")
    try:
        for step in sequence:
            world.do(step)
    finally:
        world.close()
    assert world.found() == {name: number for name, number in world.truth.items() if number}
