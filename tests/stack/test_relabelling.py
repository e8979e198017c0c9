"""The rules in configs/prometheus.yml: what the stock exporter says becomes what was recorded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.process import wait_until
from labkit import RedisMetricsService, Stack
from tests.redis_server import LAB_SERVER

AWKWARD = [
    'say "hello"',
    "C:\\new\\table",
    "two\nlines",
    '\\"',
    '\\\\n is "\\n" in "C", \n is not',
    '",b="',
    "{} }",
    "",
    "\t tab",
    "a\nb\nc\nd\ne",
    "\\" * 6 + '"' * 5,
    'é日本🦊 "',
]
OTHER = 'x"y,z'
# One more than the rules take.
TOO_MUCH = '"' * 13


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A lab with the stock exporter, and awkward series in its Redis."""
    home = tmp_path_factory.mktemp("stock")
    with (
        Stack.up(
            home=home,
            ports="auto",
            scrape_interval=0.5,
            flush_interval=0.5,
            sidecar="redis_exporter",
            server=LAB_SERVER,
        ) as stack,
        RedisMetricsService(stack.urls["redis"]) as metrics,
    ):
        texts = metrics.gauge("relabelled", "Help.", ["a", "b", "n"])
        for n, text in enumerate(AWKWARD):
            texts.labels(a=text, b=OTHER, n=str(n)).set(n)
        metrics.gauge("relabelled_own", "Help.", ["filename", "key"]).labels(filename="f", key="k").set(1)
        metrics.gauge("relabelled_wide", "Help.", list("abcdefgh")).labels(*"12345678").set(1)
        metrics.gauge("relabelled_much", "Help.", ["a"]).labels(a=TOO_MUCH).set(1)
        metrics.gauge("relabelled_bare", "Help.").set(1)
        metrics.flush()
        wait_until(lambda: len(series(stack, '{__name__=~"relabelled.*"}')) == len(AWKWARD) + 4, "all series")
        yield stack


def series(stack: Stack, selector: str) -> list[dict[str, str]]:
    answer = httpx.get(f"{stack.urls['prometheus']}/api/v1/query", params={"query": selector}).json()
    result: list[dict[str, Any]] = answer["data"]["result"]
    target = {"instance", "job"}
    return [{name: text for name, text in row["metric"].items() if name not in target} for row in result]


def test_every_text_arrives_as_it_was_recorded(stock: Stack) -> None:
    """Quotes, backslashes, line breaks and text that looks like labels; an empty label is no label."""
    found = {int(row.pop("n")): row for row in series(stock, "relabelled")}
    for n, text in enumerate(AWKWARD):
        expected = {"__name__": "relabelled", "a": text, "b": OTHER}
        assert found[n] == {name: value for name, value in expected.items() if value}


def test_labels_called_key_or_filename_stay(stock: Stack) -> None:
    """The exporter's own labels of these names go, the application's stay."""
    assert series(stock, "relabelled_own") == [{"__name__": "relabelled_own", "filename": "f", "key": "k"}]


def test_more_than_the_rules_take_arrives_escaped(stock: Stack) -> None:
    """Not unescaped by half: the text is as it stands in the text format, and no other series suffers."""
    assert series(stock, "relabelled_much") == [{"__name__": "relabelled_much", "a": '\\"' * 13}]


def test_eight_labels_or_none(stock: Stack) -> None:
    labels = dict(zip("abcdefgh", "12345678", strict=True))
    assert series(stock, "relabelled_wide") == [{"__name__": "relabelled_wide", **labels}]
    assert series(stock, "relabelled_bare") == [{"__name__": "relabelled_bare"}]


def test_no_rule_leaves_a_trace(stock: Stack) -> None:
    """Neither the exporter's name for samples nor a label of the rules' own is left in Prometheus."""
    assert series(stock, "redis_script_values") == []
    names = httpx.get(f"{stock.urls['prometheus']}/api/v1/labels").json()["data"]
    assert [name for name in names if name.startswith("__tmp")] == []


def test_what_is_no_sample_of_the_script_is_left_alone(stock: Stack) -> None:
    """The exporter's own series keep their names and labels, such as `redis_up` and one with a `key`."""
    assert series(stock, "redis_up") == [{"__name__": "redis_up"}]
    assert series(stock, "redis_instance_info")[0]["role"] == "master"


def test_scrapes_are_whole(stock: Stack, tmp_path: Path) -> None:
    """Prometheus took every scrape: a sample that it could not take would fail one."""
    assert all(value == "1" for value in _values(stock, 'up{job="labkit"}'))


def _values(stack: Stack, query: str) -> list[str]:
    answer = httpx.get(f"{stack.urls['prometheus']}/api/v1/query", params={"query": f"min_over_time({query}[1m])"})
    return [row["value"][1] for row in answer.json()["data"]["result"]]
