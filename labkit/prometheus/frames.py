"""Query: what Prometheus answers, as tidy data frames.

The columns of every frame, even an empty one:

    time      datetime64[ms, UTC]   the time of the sample; Prometheus keeps milliseconds
    metric    string                the metric's name; empty where PromQL dropped it, as in `sum(…)`
    <label>   string                one column per label, sorted by name; empty where a series lacks the label, as in
                                    PromQL. A label called time, metric or value is in `label_time`, and so on
    value     float64               NaN, inf and -inf are kept. A string literal gives a string column instead

An instant vector has one row per series, a range has one row per sample, series by series, each in order of time. The
series are in Prometheus' order, but bounds `le` of buckets are ordered as numbers. A scalar is one row without a name.
`attrs` has `warnings` and `infos`, Prometheus' own remarks about the query, as lists of strings.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labkit.errors import QueryError
from labkit.prometheus.client import MALFORMED

Series = Mapping[str, Any]
Sample = Sequence[Any]

_BASE = ("time", "metric", "value")


def tidy(answer: Mapping[str, Any]) -> pd.DataFrame:
    """Return the frame for one answer of `/api/v1/query` or `/api/v1/query_range`, given as JSON.

    Raises:
        QueryError: the answer contains native histograms, which are not numbers, or is not one of Prometheus'.
    """
    try:
        data = answer["data"]
        frame = _frame(_series(data["resultType"], data["result"]))
        if data["resultType"] == "string":
            frame["value"] = pd.Series([data["result"][1]], dtype="string")
    except MALFORMED as error:
        raise QueryError(f"This is not what Prometheus answers to a query: {error!r}") from None
    frame.attrs.update(warnings=answer.get("warnings", []), infos=answer.get("infos", []))
    return frame


def labels(frame: pd.DataFrame) -> list[str]:
    """Return the names of the label columns of a frame."""
    return [name for name in frame.columns if name not in _BASE]


def _series(kind: str, result: Any) -> list[tuple[Series, Sequence[Sample]]]:
    if kind == "string":
        return [({}, [(result[0], "NaN")])]
    if kind == "scalar":
        return [({}, [result])]
    return [(series["metric"], _samples(series)) for series in result]


def _samples(series: Series) -> Sequence[Sample]:
    if "histogram" in series or "histograms" in series:
        raise QueryError(
            "The answer contains native histograms, but a frame holds only numbers. Ask for numbers, for example with "
            "histogram_quantile(0.95, …), histogram_count(…) or histogram_sum(…)."
        )
    return series["values"] if "values" in series else [series["value"]]


def _frame(series: Sequence[tuple[Series, Sequence[Sample]]]) -> pd.DataFrame:
    counts = [len(samples) for _, samples in series]
    samples = [sample for _, several in series for sample in several]
    columns: dict[str, Any] = {"time": _times([time for time, _ in samples])}
    for name in sorted({"__name__"}.union(*(metric for metric, _ in series)), key=_name_first):
        values = np.repeat(np.array([metric.get(name, "") for metric, _ in series], dtype=object), counts)
        columns[_column(name, columns)] = pd.Series(values, dtype="string")
    columns["value"] = pd.Series([float(value) for _, value in samples], dtype="float64")
    return pd.DataFrame(columns)


def _times(seconds: Sequence[float]) -> pd.DatetimeIndex:
    milliseconds = np.rint(np.array(seconds, dtype="float64") * 1e3)
    if not (np.abs(milliseconds) < 2.0**62).all():
        raise ValueError("a time that is none")
    return pd.DatetimeIndex(milliseconds.astype("int64").astype("datetime64[ms]"), tz="UTC")


def _name_first(label: str) -> tuple[bool, str]:
    return label != "__name__", label


def _column(label: str, taken: Mapping[str, object]) -> str:
    if label == "__name__":
        return "metric"
    while label in taken or label in _BASE:
        label = f"label_{label}"
    return label
