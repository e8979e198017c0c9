"""Query: PromQL in, tidy data frames out. `labkit.prometheus.frames` describes their columns.

>>> prometheus = Prometheus("http://127.0.0.1:9090")
>>> prometheus.query("sum by (event) (user_events)")
>>> prometheus.query_range("rate(user_events[20s])", last="5m", step="5s")
>>> prometheus.wait_until('user_events{event="joined"}', lambda frame: frame["value"].sum() >= 3)
"""

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from math import ceil
from time import monotonic, sleep, time

import pandas as pd

from labkit.errors import QueryError
from labkit.keyspace.connection import redact
from labkit.prometheus.client import DEFAULT_URL, MALFORMED, Client, by_bounds
from labkit.prometheus.frames import tidy

Duration = str | float | timedelta
Moment = datetime | float

_POLL = 0.1
# Who asks for an order gets it.
_SORTED = re.compile(r"\b(?:sort\w*|topk|bottomk)\b")
_UNITS = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
# Steps, in seconds, whose points fall on times that people read easily.
_ROUND = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
_POINTS = 250
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DURATION = re.compile("".join(rf"(?:(\d+){unit})?" for unit in _UNITS))


def seconds(duration: Duration) -> float:
    """Return a duration in seconds: "5s", "1h30m" and the like as in PromQL, a number of seconds, or a timedelta.

    The number may be text, as in Prometheus' own API.

    Raises:
        QueryError: it is none of these, or not above zero.
    """
    if isinstance(duration, str):
        result = float(duration) if _NUMBER.fullmatch(duration) else _read(duration)
    else:
        result = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
    if not 0 < result < float("inf"):
        raise QueryError(
            f"{duration!r} is not a valid duration; write '5s', '1h30m', a number of seconds, or a timedelta."
        )
    return result


def spelled(duration: float) -> str:
    """Return a number of seconds as PromQL writes it, such as "15m"."""
    whole = (name for name in "dhm" if duration >= _UNITS[name] and duration % _UNITS[name] == 0)
    unit = next(whole, "s" if duration >= 1 else "ms")
    return f"{duration / _UNITS[unit]:g}{unit}"


def _read(duration: str) -> float:
    match = _DURATION.fullmatch(duration)
    amounts = zip(match.groups("0"), _UNITS.values(), strict=True) if match else ()
    return sum(int(amount) * unit for amount, unit in amounts)


def fitting_step(last: Duration, scraped: float) -> float:
    """Return a round step, in seconds, for some 250 points over a range, and for no more than one a scrape."""
    wanted = max(seconds(last) / _POINTS, scraped)
    days = ceil(wanted / _UNITS["d"]) * _UNITS["d"]
    return next((step for step in (scraped, *_ROUND) if step >= wanted), days)


def timestamp(moment: Moment | None) -> float:
    """Return a moment as seconds since 1970: an aware datetime, such seconds already, or None for now.

    Raises:
        QueryError: a datetime without a time zone.
    """
    if moment is None:
        return time()
    if not isinstance(moment, datetime):
        return float(moment)
    if moment.tzinfo is None:
        raise QueryError(f"{moment!r} has no time zone; write datetime.now(UTC), or pass seconds since 1970.")
    return moment.timestamp()


def quote(value: str) -> str:
    """Return `value` as a PromQL string, quotes included, whatever characters it has.

    >>> f"user_events{{event={quote(event)}}}"
    """
    return json.dumps(value, ensure_ascii=False)


class Prometheus:
    """The queries of one Prometheus.

    Args:
        url: where it answers, such as `http://127.0.0.1:9090`; a sub-path is allowed.
        timeout: seconds to wait for an answer. Prometheus itself gives up after the same time.

    Raises:
        QueryError: the URL is invalid. If nothing answers there, the first query finds out.
    """

    def __init__(self, url: str = DEFAULT_URL, *, timeout: float = 10.0) -> None:
        self._client = Client(url, timeout)

    def __repr__(self) -> str:
        return f"Prometheus({redact(self._client.url)!r})"

    @property
    def url(self) -> str:
        """The URL it answers at."""
        return self._client.url

    def timed_out(self) -> QueryError:
        """Return the error for an answer that did not come in time."""
        return self._client.timed_out()

    def query(self, promql: str, at: Moment | None = None) -> pd.DataFrame:
        """Return the value of `promql` now, or `at` a moment (an aware datetime, or seconds since 1970).

        Raises:
            QueryError: Prometheus refused the query, or did not answer; the message says why and what to do.
        """
        answer = self._client.instant(promql, timestamp(at))
        frame = tidy(answer if _SORTED.search(promql) else by_bounds(answer))
        frame.attrs["promql"] = promql
        return frame

    def query_range(
        self, promql: str, last: Duration = "5m", step: Duration = "5s", end: Moment | None = None
    ) -> pd.DataFrame:
        """Return the value of `promql` at every `step`, over the time range `last` that ends now or at `end`.

        `attrs["step"]` has the step in seconds: a longer time between two samples of a series is a gap.

        Raises:
            QueryError: as for `query`; also for more than 11,000 steps.
        """
        stop, every = timestamp(end), seconds(step)
        frame = tidy(self._client.range(promql, stop - seconds(last), stop, every))
        frame.attrs.update(promql=promql, step=every)
        return frame

    def wait_until(
        self, promql: str, condition: Callable[[pd.DataFrame], object] = len, *, timeout: float = 30.0
    ) -> pd.DataFrame:
        """Return `query(promql)` as soon as `condition(frame)` is true; by default, as soon as there is any series.

        A value that an application records needs one flush and one scrape to arrive.

        Raises:
            QueryError: it did not become true within `timeout` seconds (the message has the last answer), or
                Prometheus refused the query or did not answer.
        """
        deadline = monotonic() + timeout
        while not condition(frame := self.query(promql)):
            if monotonic() > deadline:
                raise QueryError(f"{promql}: the condition was not met within {timeout:g} s; last seen: {_text(frame)}")
            sleep(_POLL)
        return frame

    def scrape_interval(self, job: str) -> float | None:
        """Return the scrape interval of a job in seconds, or None if Prometheus has no target of that name.

        Raises:
            QueryError: Prometheus did not answer.
        """
        return next((interval for name, interval in self._scraped() if name == job), None)

    def shortest_scrape_interval(self) -> float | None:
        """Return the shortest scrape interval of all jobs in seconds, or None if Prometheus scrapes nothing.

        Raises:
            QueryError: as for `scrape_interval`.
        """
        return min((interval for _, interval in self._scraped()), default=None)

    def _scraped(self) -> list[tuple[str, float]]:
        told = self._client.targets()["data"]
        try:
            return [(each["labels"]["job"], seconds(each["scrapeInterval"])) for each in told["activeTargets"]]
        except MALFORMED as error:
            raise QueryError(f"{redact(self.url)} does not name its targets as Prometheus does: {error!r}") from None


def _text(frame: pd.DataFrame) -> str:
    return "\n" + frame.drop(columns="time").to_string(index=False, max_rows=10) if len(frame) else "no series."
