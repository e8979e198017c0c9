"""Two sidecars, one truth: through either one, Prometheus holds the same names, labels and values."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest

from harness.process import wait_until
from labkit import RedisMetricsService, Stack
from labkit.keyspace.numbers import le
from tests.redis_server import LAB_SERVER

Series = dict[tuple[tuple[str, str], ...], str]

# A sidecar's own metrics and the writers' telemetry differ from run to run.
OWN = ("labkit_", "redis_", "up", "scrape_", "process_", "go_", "promhttp_")
AWKWARD = {
    "plain": "joined",
    "path": "/api/store/{id}?a=b&c=d",
    "comma": "one,two,,",
    "equals": "a=b=c",
    "percent": "100%25 %2C",
    "brace": '{not="a label"}'.replace('"', "'"),
    "spaces": "  two  spaces ",
    "colon_semicolon": "a:b;c",
    "emoji": "naïve 🦊 日本",
    "dollar": "$1 ${2}",
    "regex": "(.*)[a-z]+",
}
# Prometheus 3 writes each of these in another way than Redis holds it, and only for a sidecar that says the type.
BOUNDS = (2.0**-24, 1e-5, 0.1, 5, 1000, 999_999.5, 1e6, 1_234_567, 1e15, 2.0**60)


def load(metrics: RedisMetricsService) -> None:
    """Record every kind of metric, with labels that are awkward in keys, Lua, the text format or relabeling."""
    for kind, text in AWKWARD.items():
        metrics.counter("conf_events", "Help.", ["kind", "text"]).labels(kind=kind, text=text).inc(len(text) + 0.125)
    metrics.counter("conf_plain", "Help.").inc(2**53 - 1)
    metrics.counter("conf_wide", "Help.", list("abcdefgh")).labels(*"12345678").inc()
    metrics.gauge("conf_negative", "Help.").set(-1.5e-300)
    metrics.gauge("conf_own_names", "Help.", ["key", "filename"]).labels(key="k", filename="f").set(1)
    metrics.gauge("conf_target_names", "Help.", ["job", "instance"]).labels(job="mine", instance="here").set(1)
    metrics.gauge("conf_shared", "Help.", shared="sum").set(3)
    took = metrics.histogram("conf_took_ms", "Help.", ["endpoint"], buckets=BOUNDS, unit="ms")
    for value in (0.05, 3, 7.25, 2e6):
        took.labels(endpoint="/api/store/join").observe(value)
    metrics.histogram("conf_empty", "Help.", buckets=(1,)).fold()
    metrics.flush()


def series(prometheus: str) -> Series:
    """Return what Prometheus holds now, as text, without what a sidecar says about itself."""
    answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": '{__name__=~"conf_.+"}'}).json()
    return {tuple(sorted(_labels(item["metric"]))): item["value"][1] for item in answer["data"]["result"]}


def _labels(metric: dict[str, str]) -> Iterator[tuple[str, str]]:
    # The sidecar's port differs; that it is the target's own instance does not.
    return ((k, "<target>" if k == "instance" and ":" in v else v) for k, v in metric.items())


EXPECTED = len(AWKWARD) + 6 + (len(BOUNDS) + 3 + 3) + (4 + 3)


def through(sidecar: Literal["labkit", "redis_exporter"], home: Path) -> Series:
    """Return what Prometheus holds through one sidecar, once everything has arrived."""
    with (
        Stack.up(
            home=home, ports="auto", scrape_interval=0.5, flush_interval=0.5, sidecar=sidecar, server=LAB_SERVER
        ) as stack,
        RedisMetricsService(stack.urls["redis"]) as metrics,
    ):
        load(metrics)
        wait_until(lambda: len(series(stack.urls["prometheus"])) >= EXPECTED, f"the scrape of {sidecar}")
        return series(stack.urls["prometheus"])


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Series:
    return through("labkit", tmp_path_factory.mktemp("labkit"))


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Series:
    return through("redis_exporter", tmp_path_factory.mktemp("stock"))


def test_names_labels_and_values_arrive(ours: Series) -> None:
    """Every recorded series is there, under the name and with the labels it was recorded with."""
    rows = [(dict(labels), value) for labels, value in ours.items()]
    assert len(rows) == EXPECTED
    events = {labels["text"]: value for labels, value in rows if labels["__name__"] == "conf_events"}
    assert events == {text: f"{len(text) + 0.125}" for text in AWKWARD.values()}


def test_names_that_the_target_also_has_are_kept(ours: Series) -> None:
    """`job`, `instance`, `key` and `filename` belong to the application if it uses them."""
    rows = [dict(labels) for labels in ours]
    assert {"__name__": "conf_target_names", "job": "mine", "instance": "here"} in rows
    assert [row for row in rows if row.get("key") == "k" and row.get("filename") == "f"]


def test_a_bound_is_what_a_query_asks_for(ours: Series) -> None:
    """Whatever the version of Prometheus: a point or an exponent, as its documentation says."""
    les = {dict(labels).get("le") for labels in ours if dict(labels)["__name__"] == "conf_took_ms_bucket"}
    assert les == {*map(le, BOUNDS), "+Inf"}
    assert {"0.1", "5.0", "1000.0", "1e+06", "1.234567e+06"} < les


def test_both_sidecars_agree(ours: Series, stock: Series) -> None:
    """Through the stock exporter and the relabeling rules, Prometheus holds exactly the same."""
    assert stock == ours
