"""Does Prometheus hold exactly what happened? The store's ledger knows what did."""

from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any

import httpx
import pandas as pd

from labkit.errors import LabkitError
from labkit.query import Prometheus
from labkit.stack import Stack

POLL = 0.1


def compare(stack: Stack) -> pd.DataFrame:
    """Return the store's ledger beside what Prometheus holds now.

    One row per fact: `metric` (string), `labels` (string, such as `event="joined"`), `ledger` and `prometheus`
    (float64, NaN where Prometheus has no such series), `equal` (bool). Source: the store's status and an instant query.

    Raises:
        LabkitError: the store does not answer.
        QueryError: Prometheus does not.
    """
    facts = list(_facts(_status(stack)))
    held = _held(Prometheus(stack.urls["prometheus"]))
    rows = [(metric, _text(labels), value, held(metric, labels)) for metric, labels, value in facts]
    frame = pd.DataFrame(rows, columns=["metric", "labels", "ledger", "prometheus"])
    frame = frame.astype({"metric": "string", "labels": "string", "ledger": "float64", "prometheus": "float64"})
    return frame.assign(equal=frame["ledger"] == frame["prometheus"])


def settle(stack: Stack, timeout: float = 30.0) -> pd.DataFrame:
    """Return `compare(stack)` as soon as all rows are equal; after `timeout` seconds, as it is then.

    Values need one flush and one scrape to arrive. The traffic must have ended, or the truth moves on.
    """
    deadline = monotonic() + timeout
    while True:
        frame = compare(stack)
        if frame["equal"].all() or monotonic() > deadline:
            return frame
        sleep(POLL)


def _status(stack: Stack) -> dict[str, Any]:
    url = f"{stack.urls['store']}/api/store/status"
    try:
        answer = httpx.get(url, timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        raise LabkitError(
            f"The store did not show its ledger at {url}: {error}. Is it up? See `labkit status`."
        ) from None
    status: dict[str, Any] = answer.json()
    return status


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
