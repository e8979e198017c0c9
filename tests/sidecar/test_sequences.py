"""Whatever happens to the series, and in whatever order: the page is that of a sidecar that reads everything anew."""

import json
import os
import threading
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import unquote

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from harness.process import wait_until
from labkit import RedisMetricsService
from labkit.keyspace.connection import connect
from labkit.keyspace.keys import Keys
from labkit.sidecar.mirror import Mirror
from tests.writer.replicated import Replicated

EXAMPLES = 1000 if os.environ.get("HYPOTHESIS_PROFILE") == "soak" else 15
BUCKETS = (1.0, 10.0)
LIFE = 200  # ms

writers = st.sampled_from([0, 1])
labels = st.sampled_from(["x", "y", 'a "b"', "1,2%"])
by_hand = st.sampled_from(
    ['{"value":7}', '{"value":1,"created":1.5,"updated":2.5}', "garbage", '{"value":-1}', '{"bounds":[1],"counts":[1]}']
)
steps = st.one_of(
    st.tuples(st.just("record"), writers, st.sampled_from(["counter", "gauge", "shared", "histogram"]), labels),
    st.tuples(st.just("flush"), writers),
    st.tuples(st.just("remove"), writers, labels),
    st.tuples(st.just("clear"), writers),
    st.tuples(st.just("delete"), labels),
    st.tuples(st.just("by hand"), by_hand, st.booleans()),
    st.tuples(st.just("list"), st.booleans()),
    st.tuples(st.just("clash"), st.sampled_from(["gauge:h_count", "counter:h", "histogram:shared"]), st.booleans()),
    st.tuples(st.just("lose the state")),
    st.tuples(st.just("expire"), labels),
    st.tuples(st.just("empty")),
    st.tuples(st.just("kill")),
    st.tuples(st.just("fail over")),
    st.tuples(st.just("new sidecar"), st.sampled_from([0, 1])),
)
# What changes a key without a version, or makes a sidecar start over: a walk finds what has no entry in the index.
WALKED = {"delete", "by hand", "clash", "lose the state", "list", "empty", "kill", "fail over"}


class World:
    """Two writers and two sidecars on one server that has a replica."""

    def __init__(self, place: Replicated, prefix: str) -> None:
        self.place, self.prefix = place, prefix
        self.services = [RedisMetricsService(p.url, flush_interval=600, prefix=prefix) for p in place.proxies[:2]]
        self.metrics = [self._declare(service) for service in self.services]
        self.sidecars = [self.new_sidecar(), self.new_sidecar()]
        self.epoch: object = None

    def _declare(self, service: RedisMetricsService) -> dict[str, Any]:
        return {
            "counter": service.counter("c", "Help.", ["s"]),
            "gauge": service.gauge("g", "Help.", ["s"]),
            "shared": service.gauge("shared", "Help.", ["s"], shared="sum"),
            "histogram": service.histogram("h", "Help.", ["s"], buckets=BUCKETS),
        }

    @property
    def client(self) -> redis.Redis:
        return self.place.primary.client

    def new_sidecar(self) -> Mirror:
        mirror = Mirror(connect(self.place.proxies[2].url), Keys(self.prefix))
        mirror.walk(threading.Event())
        return mirror

    def do(self, step: tuple[Any, ...]) -> None:  # noqa: C901, PLR0912  one step, one case
        match step:
            case ("record", writer, kind, label):
                child = self.metrics[writer][kind].labels(s=label)
                child.observe(2.5) if kind == "histogram" else child.inc(2.5)
            case ("flush", writer):
                self.services[writer].flush(20)
            case ("remove", writer, label):
                self.metrics[writer]["counter"].remove(s=label)
                self.services[writer].flush(20)
            case ("clear", writer):
                self.metrics[writer]["histogram"].clear()
                self.services[writer].flush(20)
            case ("delete", label):
                self.client.delete(Keys(self.prefix).series("counter", "c", [("s", label)]))
            case ("expire", label):
                self._expire(Keys(self.prefix).series("counter", "c", [("s", label)]))
            case ("by hand", text, indexed):
                self._write(f"{self.prefix}:counter:c:s=x", text, indexed)
            case ("list", indexed):
                self._write(f"{self.prefix}:gauge:g:s=x", None, indexed)
            case ("clash", name, there):
                key = f"{self.prefix}:{name}"
                held = '{"value":1,"bounds":[],"counts":[1],"sum":1,"count":1}'
                self.client.set(key, held) if there else self.client.delete(key)
            case ("lose the state",):
                self.client.delete(f"{self.prefix}.state")
            case ("empty",):
                self.client.flushall()
            case ("kill",):
                self.place.kill()
            case ("fail over",):
                self.place.fail_over()
            case (_, n):
                self.sidecars[n] = self.new_sidecar()

    def _write(self, key: str, text: str | None, indexed: bool) -> None:
        self.client.delete(key)
        self.client.rpush(key, "x") if text is None else self.client.set(key, text)
        if indexed:
            version = int(self.client.hincrby(f"{self.prefix}.state", "version", 1))
            self.client.zadd(f"{self.prefix}.index", {key: version})

    def _expire(self, key: str) -> None:
        """Let a series be seen, and expire: no sidecar needs a walk to leave it out."""
        self._write(key, '{"value":9}', indexed=True)
        self.client.pexpire(key, LIFE)
        for sidecar in self.sidecars:
            refreshed(sidecar)
        for sidecar in self.sidecars:
            wait_until(partial(self._agrees, sidecar, key), "The end of a series on the page")

    def _agrees(self, sidecar: Mirror, key: str) -> bool:
        refreshed(sidecar)
        return not self.client.exists(key) and lines(sidecar) == lines(self.new_sidecar())

    def check(self, step: tuple[Any, ...]) -> None:
        fresh, before = self.new_sidecar(), self.epoch
        self.epoch = self.client.hget(f"{self.prefix}.state", "epoch")
        for sidecar in self.sidecars:
            refreshed(sidecar)
            if step[0] in WALKED or self.epoch != before:
                sidecar.walk(threading.Event())
            assert lines(sidecar) == lines(fresh)
            assert sidecar.skipped == fresh.skipped
        assert shown(fresh) == self.model()

    def model(self) -> dict[tuple[str, str], float]:
        """What the keys of counters and gauges say, read one by one and without any of the sidecar's code."""
        said: dict[tuple[str, str], float] = {}
        for key in self.client.scan_iter(f"{self.prefix}:*:*:s=*"):
            _, kind, name, label = str(key, "utf-8").split(":", 3)
            if name in ("c", "g") and self.client.type(key) == b"string":
                value = number(self.client.get(key) or b"")
                if value is not None and (kind == "gauge" or value >= 0):
                    said[name, unquote(label.removeprefix("s="))] = value
        return said

    def close(self) -> None:
        for service in self.services:
            service.close(20)


def lines(sidecar: Mirror) -> list[bytes]:
    """The lines of the page; the order of the series in a family is nobody's promise."""
    return sorted(b"".join(sidecar.page()).splitlines())


def number(text: object) -> float | None:
    try:
        value = json.loads(str(text, "utf-8") if isinstance(text, bytes) else "").get("value")
    except ValueError:
        return None
    return float(value) if isinstance(value, int | float) else None


def shown(sidecar: Mirror) -> dict[tuple[str, str], float]:
    """The writers' counters and gauges, as the official parser reads them."""
    families = text_string_to_metric_families(b"".join(sidecar.page()).decode())
    samples = [sample for family in families for sample in family.samples]
    named = {(s.name.removesuffix("_total"), s.labels.get("s", "")): s.value for s in samples}
    return {key: value for key, value in named.items() if key[0] in ("c", "g")}


def refreshed(sidecar: Mirror) -> None:
    """Refresh; the first attempt may find that the connection was cut."""
    try:
        sidecar.refresh()
    except redis.RedisError:
        sidecar.refresh()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicated]:
    """Servers for all examples: each has a prefix of its own."""
    replicated = Replicated(tmp_path_factory.mktemp("sidecar"), writers=3)
    yield replicated
    replicated.close()


numbers = count(1)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
    report_multiple_bugs=False,
)
@given(st.lists(steps, min_size=5, max_size=20))
def test_the_page_is_that_of_a_new_sidecar(place: Replicated, sequence: list[tuple[Any, ...]]) -> None:
    """After every step, both sidecars show what one does that reads everything from the start."""
    world = World(place, prefix=f"metrics{next(numbers)}")
    try:
        for step in sequence:
            world.do(step)
            world.check(step)
    finally:
        world.close()


def test_a_counter_that_goes_backwards_is_shown_as_it_is(place: Replicated) -> None:
    """A version says that a series changed, not in which direction."""
    world = World(place, prefix=f"metrics{next(numbers)}")
    try:
        world.metrics[0]["counter"].labels(s="x").inc(10)
        world.do(("flush", 0))
        world.check(("flush",))
        world.do(("by hand", json.dumps({"value": 3}), True))
        refreshed(world.sidecars[0])
        assert b'c{s="x"} 3' in lines(world.sidecars[0])
    finally:
        world.close()
