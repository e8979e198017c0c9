"""Does Prometheus hold exactly what happened? The store's ledger knows what did."""

from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any

import pandas as pd

from labkit.prometheus.query import Prometheus
from labkit.stack import Stack
from labkit.store.client import status

POLL = 0.1


def compare(stack: Stack) -> pd.DataFrame:
    """Return the store's ledger beside what Prometheus holds now.

    One row per fact: `metric` (string), `labels` (string, such as `event="joined"`), `ledger` and `prometheus`
    (float64, NaN where Prometheus has no such series), `equal` (bool). Source: the store's status and an instant query.

    Raises:
        ConnectionFailed: the store does not answer.
        QueryError: Prometheus does not.
    """
    facts = list(_facts(status(stack.urls["store"])))
    held = _held(Prometheus(stack.urls["prometheus"]))
    rows = [(metric, _text(labels), value, held(metric, labels)) for metric, labels, value in facts]
    frame = pd.DataFrame(rows, columns=["metric", "labels", "ledger", "prometheus"])
    frame = frame.astype({"metric": "string", "labels": "string", "ledger": "float64", "prometheus": "float64"})
    return frame.assign(equal=frame["ledger"] == frame["prometheus"])


def settle(stack: Stack, timeout: float = 30.0) -> pd.DataFrame:
    """Return `compare(stack)` once all rows are equal and no simulation runs; after `timeout` seconds, as it is then.

    Values need one flush and one scrape to arrive. Other traffic must have ended, or the truth moves on.
    """
    deadline = monotonic() + timeout
    while _busy(stack) and monotonic() < deadline:
        sleep(POLL)
    while not (frame := compare(stack))["equal"].all() and monotonic() < deadline:
        sleep(POLL)
    return frame


def _busy(stack: Stack) -> bool:
    return any(day["state"] == "running" for day in status(stack.urls["store"])["simulations"])


def _facts(status: dict[str, Any]) -> Iterator[tuple[str, dict[str, str], float]]:
    for event, n in status["ledger"]["events"].items():
        yield "user_events", {"event": event}, n
    for state, n in status["counts"].items():
        yield f"users_{state}", {"service": "store"}, n
    requests = pd.DataFrame(status["ledger"]["requests"], columns=["endpoint", "method", "answered", "failed"])
    for row in requests.itertuples():
        labels = {"endpoint": str(row.endpoint), "method": str(row.method)}
        yield "api_request_duration_ms_count", labels, float(str(row.answered))
    for endpoint, n in requests.groupby("endpoint")["failed"].sum().items():
        yield "api_errors", {"endpoint": str(endpoint)}, float(n)


def _held(prometheus: Prometheus) -> Callable[[str, dict[str, str]], float]:
    frames: dict[str, pd.DataFrame] = {}

    def value(metric: str, labels: dict[str, str]) -> float:
        if metric not in frames:
            frames[metric] = prometheus.query(metric)
        frame = frames[metric]
        for label, wanted in labels.items():
            frame = frame[frame[label] == wanted] if label in frame else frame.iloc[:0]
        return float(frame["value"].sum()) if len(frame) else float("nan")

    return value


def _text(labels: dict[str, str]) -> str:
    return ", ".join(f'{label}="{value}"' for label, value in labels.items())
