"""What a query could ask instead, so that its figure shows more; and which answers are a heat map already."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from labkit.errors import QueryError
from labkit.plotting.series import MAX_SERIES
from labkit.prometheus.frames import labels
from labkit.prometheus.promql import selectors, tokens
from labkit.prometheus.query import seconds, spelled

if TYPE_CHECKING:
    import pandas as pd

_RATES = {"rate", "irate"}
# Fewer buckets can be read as lines.
_BUCKETS = 3
_WINDOW = "1m"


def is_heatmap(promql: str, frame: "pd.DataFrame") -> bool:
    """Return whether an answer over time is that of `sum by (le) (rate(…_bucket[…]))`."""
    rates = any(token.text in _RATES for token in tokens(promql))
    return rates and labels(frame) == ["le"] and frame["le"].nunique() >= _BUCKETS


def advice(promql: str, frame: "pd.DataFrame") -> list[str]:
    """Return sentences about what the answer to a query does not show well; usually none."""
    return [*_about_buckets(promql, frame), *_about_windows(promql, frame)]


def _about_buckets(promql: str, frame: "pd.DataFrame") -> Iterator[str]:
    metric = next((part for part in selectors(promql) if part.metric.endswith("_bucket")), None)
    if metric is None or "le" not in frame or is_heatmap(promql, frame):
        return
    count = frame.groupby(labels(frame), sort=False).ngroups
    if count > MAX_SERIES:
        rate = f"sum by (le) (rate({metric}[{metric.window or _WINDOW}]))"
        yield (
            f"These are {count:,} buckets of histograms. Summed up they are a heat map over time: `{rate}`, "
            f"or a quantile: `histogram_quantile(0.95, {rate})`."
        )


def _about_windows(promql: str, frame: "pd.DataFrame") -> Iterator[str]:
    step = float(frame.attrs.get("step", 0))
    short = [part.window for part in selectors(promql) if part.window and _length(part.window) < step]
    for window in dict.fromkeys(short):
        yield (
            f"Two points are {spelled(step)} apart, and [{window}] looks at the last {window} before each: "
            f"what is between is not seen. [{spelled(step)}] sees all of it."
        )


def _length(window: str) -> float:
    try:
        return seconds(window)
    except QueryError:
        # Prometheus 3 computes with durations; nothing can be said then.
        return float("inf")
