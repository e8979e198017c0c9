"""Whatever is recorded, removed, flushed, cut, refused, misled and killed, in whatever order: the totals are exact.

A failure prints how to reproduce it. `make soak` tries many more sequences, and `make soak SEED=…` the same again.
"""

import json
import os
import re
from collections import Counter as Totals
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit import FlushError
from labkit.resources import resource
from tests.writer.quiet_writer import QuietWriter, accounts_are_settled
from tests.writer.replicated import USER, Replicated

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
BOUNDS = (8.0, 64.0)
KINDS = ("counter", "gauge", "sum", "histogram")
COMMANDS = sorted(set(re.findall(r'call\("([A-Z]+)"', resource("lua", "flush.lua").read_text(encoding="utf-8"))))
PREFIXES = {"counter": "counter:c", "gauge": "gauge:g", "sum": "gauge:shared", "histogram": "histogram:h"}

# Eighths add up exactly in doubles, in any order.
amounts = st.integers(0, 1024).map(lambda n: n / 8)
writers, series, removable = st.sampled_from([0, 1]), st.sampled_from("xyz"), st.sampled_from(["counter", "histogram"])
cuts = st.sampled_from(["before the request", "after the request", "inside the reply"])
record = st.tuples(st.just("record"), writers, st.sampled_from(KINDS), series, amounts)
# A batch that is certain to meet its fault.
strike = st.tuples(st.just("strike"), writers, st.sampled_from(KINDS), series, amounts, cuts)
# The same, and the next connection reaches a replica that lags.
mislead = st.tuples(st.just("mislead"), writers, st.sampled_from(KINDS), series, amounts, cuts)
steps = st.one_of(
    *[record] * 3,
    *[strike] * 3,
    *[mislead] * 2,
    st.tuples(st.just("quarrel"), writers, amounts),
    st.tuples(st.just("flush"), writers),
    st.tuples(st.just("arm"), writers, cuts),
    st.tuples(st.just("cut"), writers),
    st.tuples(st.just("remove"), writers, removable, series),
    st.tuples(st.just("clear"), writers, removable),
    st.tuples(st.just("delete"), removable, series),
    st.tuples(st.just("evict")),
    st.tuples(st.just("forbid"), st.sampled_from(COMMANDS)),
    st.tuples(st.just("refuse"), st.sampled_from(["full", "read-only"])),
    st.tuples(st.just("accept")),
    st.tuples(st.just("kill")),
    st.tuples(st.just("fail over")),
    st.tuples(st.just("script flush")),
)


class World:
    """Two writers, each behind its own proxy, one server with a replica, and the truth."""

    def __init__(self, place: Replicated, prefix: str) -> None:
        self.place, self.prefix = place, prefix
        self.truth: Totals[str] = Totals()
        urls = [proxy.url.replace("//", f"//{USER}:any@") for proxy in place.proxies]
        self.services = [QuietWriter(url, flush_interval=0.02, prefix=prefix) for url in urls]
        self.metrics: list[dict[str, Any]] = []
        for service in self.services:
            self.metrics.append(self._declare(service))
        self.claims = [0.0 for _ in self.services]
        self.calls = [0 for _ in self.services]

    def _declare(self, service: QuietWriter) -> dict[str, Any]:
        return {
            "counter": service.counter("c", "Help.", ["s"]),
            "gauge": service.gauge("g", "Help.", ["s"]),
            "sum": service.gauge("shared", "Help.", ["s"], shared="sum"),
            "histogram": service.histogram("h", "Help.", ["s"], buckets=BOUNDS),
            # The next version of the application shares it in another way.
            "quarrel": service.gauge("quarrel", "Help.", shared="max" if self.metrics else "sum"),
        }

    def record(self, writer: int, kind: str, series: str, amount: float) -> None:
        child, name = self.metrics[writer][kind].labels(s=series), f"{PREFIXES[kind]}:s={series}"
        self.calls[writer] += 1
        if kind == "histogram":
            child.observe(amount)
            self.truth[f"{name} {sum(amount > bound for bound in BOUNDS)}"] += 1
            self.truth[f"{name} sum"] += amount  # type: ignore[assignment]  # eighths
        else:
            change = amount if kind == "counter" or writer == 0 else -amount
            child.inc(change)
            self.truth[name] += change  # type: ignore[assignment]  # eighths

    def flush(self, writer: int) -> None:
        # What is refused is tried again, sometimes by the writer itself.
        with suppress(*[FlushError] if self.place.refuses else []):
            self.services[writer].flush(timeout=0.05 if self.place.refuses else 20)

    def settle(self) -> None:
        """Let both writers send all they have, so that everybody knows what is there."""
        self.place.accept()
        for writer in (0, 1):
            self.flush(writer)

    def forget(self, start: str) -> None:
        for name in [name for name in self.truth if name.startswith(start)]:
            del self.truth[name]

    def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("record", writer, kind, series, amount):
                self.record(writer, kind, series, amount)
            case ("strike", writer, kind, series, amount, fault):
                self.place.proxies[writer].arm(fault)
                self.record(writer, kind, series, amount)
                self.flush(writer)
            case ("mislead", writer, kind, series, amount, fault):
                self.place.accept()
                self.place.lag()
                self.place.mislead(writer, fault)
                self.record(writer, kind, series, amount)
                self.flush(writer)
            case ("quarrel", writer, amount):
                self.metrics[writer]["quarrel"].set(amount)
                self.claims[writer], self.calls[writer] = amount, self.calls[writer] + 1
            case ("flush", writer):
                self.flush(writer)
            case ("remove", writer, kind, series):
                self.settle()
                self.metrics[writer][kind].remove(s=series)
                self.forget(f"{PREFIXES[kind]}:s={series}")
                self.flush(writer)
            case ("clear", writer, kind):
                self.settle()
                self.metrics[writer][kind].clear()
                self.forget(f"{PREFIXES[kind]}:")
                self.flush(writer)
            case ("delete", kind, series):
                self.settle()
                self.place.primary.client.delete(f"{self.prefix}:{PREFIXES[kind]}:s={series}")
                self.forget(f"{PREFIXES[kind]}:s={series}")
            case _:
                self.harm(*step)

    def harm(self, what: str, *more: Any) -> None:
        match (what, *more):
            case ("arm", writer, fault):
                self.place.proxies[writer].arm(fault)
            case ("cut", writer):
                self.place.proxies[writer].cut()
            case ("evict",):
                self.evict()
            case ("forbid", command):
                self.place.forbid(command)
            case ("refuse", how):
                self.place.refuse(how)
            case ("accept",):
                self.place.accept()
            case ("kill",):
                self.place.kill()
            case ("fail over",):
                self.place.fail_over()
            case _:
                self.place.primary.client.script_flush()

    def evict(self) -> None:
        """Take what a `volatile-*` policy may take of the bookkeeping: nothing that batches are compared with."""
        client = self.place.primary.client
        for key in client.scan_iter(f"{self.prefix}.*"):
            if client.pttl(key) > 0 and not re.search(rb"\.(entries|leases):", key):
                client.delete(key)

    def found(self) -> dict[str, float]:
        """What Redis holds, in the form of the truth."""
        result: dict[str, float] = {}
        client = self.place.primary.client
        for key in client.scan_iter(f"{self.prefix}:*:s=*"):
            name, held = str(key, "utf-8").partition(":")[2], json.loads(client.get(key) or "")
            if "counts" in held:
                result |= {f"{name} {i}": n for i, n in enumerate(held["counts"])} | {f"{name} sum": held["sum"]}
            else:
                result[name] = held["value"]
        return {name: number for name, number in result.items() if number}

    def winner(self) -> float:
        """What Redis holds of the gauge that the two writers share in different ways."""
        text = self.place.primary.client.get(f"{self.prefix}:gauge:quarrel")
        return float(json.loads(text or "{}")["value"])

    def close(self) -> None:
        self.place.accept()
        for service in self.services:
            service.close(timeout=20)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicated]:
    """One server and its replica for all examples, and a proxy for each writer."""
    place = Replicated(tmp_path_factory.mktemp("exactly_once"), writers=2)
    yield place
    place.close()


numbers = count(1)


# Long enough to find the shortest sequence that fails.
@pytest.mark.timeout(0 if SOAK else 600)
@settings(max_examples=2000 if SOAK else 20, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=5, max_size=40))
def test_totals_are_exact(place: Replicated, sequence: list[tuple[Any, ...]]) -> None:
    """Two writers, every kind of series, every kind of harm: not one event more or less, and each accounted for."""
    world = World(place, prefix=f"metrics{next(numbers)}")
    try:
        for step in sequence:
            world.do(step)
        world.settle()
        # Before they close, and no longer hold anything in the shared gauges.
        found, winner = world.found(), world.winner()
    finally:
        world.close()
    assert found == {name: number for name, number in world.truth.items() if number}
    assert winner in world.claims
    for service, calls in zip(world.services, world.calls, strict=True):
        accounts_are_settled(service, calls, dropped=service.stats().dropped.get("shared", 0))
