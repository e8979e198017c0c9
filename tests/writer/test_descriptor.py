"""A declaration is refused if it could never be sent, or would not be shown."""

import enum
import math

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from labkit import RedisMetricsService
from labkit.errors import MetricError
from labkit.keyspace.keys import Keys
from labkit.sidecar.sidecar import Sidecar
from labkit.writer.descriptor import PARTS, Descriptor
from labkit.writer.instruments import KINDS, Gauge
from labkit.writer.registry import Registry


class Later:
    """A text that is only made when it is shown, as frameworks translate it."""

    def __str__(self) -> str:
        return "Help."


class Name(enum.StrEnum):
    EVENTS = "events"


BAD = [
    ("events", Later(), []),
    ("events", "half a pair: \ud800", []),
    ("events", "long" * 10_000, []),
    ("events", None, []),
    (Later(), "Help.", []),
    (b"events", "Help.", []),
    ("events", "Help.", "event"),
    ("events", "Help.", [b"event"]),
    ("events", "Help.", [Later()]),
    ("events", "Help.", None),
    ("up", "Help.", []),
    ("labkit_sidecar_series", "Help.", []),
]


@pytest.mark.parametrize(("name", "text", "labels"), BAD)
def test_what_can_never_be_sent_is_refused(
    metrics: RedisMetricsService, redis_client: redis.Redis, name: str, text: str, labels: list[str]
) -> None:
    """It fails where it is declared, and costs the other metrics nothing."""
    with pytest.raises(MetricError):
        metrics.counter(name, text, labels)
    with pytest.raises(MetricError):
        metrics.gauge(name, text, labels)
    with pytest.raises(MetricError):
        metrics.histogram(name, text, labels)
    metrics.counter("other", "Help.").inc()
    metrics.flush()
    assert redis_client.exists("metrics:counter:other") == 1


@given(st.text(), st.text())
def test_whatever_is_declared_can_be_spelled(help_text: str, unit: str) -> None:
    """What a declaration accepts, UTF-8 can carry."""
    try:
        declared = Descriptor("histogram", "took", help_text, (), unit)
    except MetricError:
        return
    assert "".join(declared.metadata.values()).encode().decode() == f"histogram{help_text}{unit}"


def test_an_enumeration_is_its_text() -> None:
    """A member of a StrEnum names a metric, and its own methods run no more."""
    declared = Descriptor("counter", Name.EVENTS, "Help.", (Name.EVENTS,))
    assert [type(text) for text in (declared.name, *declared.labels)] == [str, str]


@pytest.mark.parametrize("labels", [("__name",), ("le",), ("quantile",), ("a-b",), ("a", "a"), ("1a",)])
def test_label_names_that_prometheus_reserves_are_refused(labels: tuple[str, ...]) -> None:
    """A bad label name fails at the declaration."""
    with pytest.raises(MetricError, match="label"):
        Descriptor("counter", "events", "Help.", labels)


@pytest.mark.parametrize("bounds", [(5, 1), (1, 1), (1, math.nan)])
def test_bounds_must_ascend(bounds: tuple[float, ...]) -> None:
    """Buckets out of order fail at the declaration."""
    with pytest.raises(MetricError, match="ascending"):
        Descriptor("histogram", "took", "Help.", buckets=bounds)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kinds", [("histogram", "gauge"), ("gauge", "histogram")])
def test_no_two_metrics_need_one_name(part: str, kinds: tuple[str, str]) -> None:
    """A histogram has more names than one; whichever comes second is refused, and both are shown."""
    registry = Registry(Keys(), 10)
    first, second = (Descriptor(kind, f"took{part if kind == 'gauge' else ''}", "Help.") for kind in kinds)
    registry.declare(first, KINDS[first.kind])
    with pytest.raises(MetricError, match=r"(?s)one name.*kind='(.*)kind='"):
        registry.declare(second, KINDS[second.kind])
    assert len(registry) == 1
    registry.declare(Descriptor("gauge", "took_created", "Help."), Gauge)


def test_no_metric_has_a_name_of_the_sidecars(redis_url: str) -> None:
    """All that the sidecar keeps for itself and Prometheus is refused; nothing that is declared is hidden by it."""
    for name in Sidecar(redis_url)._metrics.names:
        with pytest.raises(MetricError, match="sidecar"):
            Descriptor("gauge", name, "Help.")
