"""Why an answer may be empty, one sentence for each reason that is found by asking Prometheus.

For each part of the query that names series, in this order: is there such a metric; has it the labels, and the labels
those values; have its series samples at that time; and are there enough for the window of a `rate`. A target that is
down explains what its series lack.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import get_close_matches

from labkit.errors import QueryError
from labkit.prometheus.metadata import Metadata
from labkit.prometheus.promql import Matcher, Selector, selectors
from labkit.prometheus.query import Prometheus

# People wait for this answer, so it may take longer than a completion.
_TIMEOUT = 5.0
_SHOWN = 8
# How far to look for the newest sample, and how closely.
_SEARCH = "6h:15s"


def explain(prometheus: Prometheus, promql: str, *, at: float, last: str | None = None) -> list[str]:
    """Return why the answer to a query is empty, as sentences; a query that names no series has its reason, too.

    Args:
        prometheus: who answered.
        promql: the query, which Prometheus has accepted.
        at: the moment of the answer, or the end of its time, in seconds since 1970.
        last: the time it looked back over, if it did.
    """
    metadata = Metadata(prometheus.url, timeout=_TIMEOUT)
    try:
        parts = [reason for part in selectors(promql) for reason in _Part(prometheus, metadata, part, at, last).why()]
        down = _down(prometheus, at)
    except QueryError as error:
        return [str(error)]
    return list(dict.fromkeys([*parts, *down])) or [_LEAVES_NOTHING]


_LEAVES_NOTHING = (
    "Every part of the query has samples, but together they leave none: a comparison such as > is true for no "
    "series, the two sides of an operator have different labels (see on, ignoring), or absent() found its series."
)


class _Part:
    """One selector of the query, and what Prometheus says about it."""

    def __init__(
        self, prometheus: Prometheus, metadata: Metadata, selector: Selector, at: float, last: str | None
    ) -> None:
        self._prometheus, self._metadata, self._selector, self._at = prometheus, metadata, selector, at
        self._last, self._span = last, last or selector.window

    def why(self) -> Iterator[str]:
        """The first reasons that are found; without one, the selector is not why the answer is empty."""
        found = [*self._no_metric()] or [*self._no_labels()] or [*self._no_series()]
        yield from found or [*self._no_samples()] or [*self._too_few()]

    def _no_metric(self) -> Iterator[str]:
        name, known = self._selector.metric, self._metadata.metrics()
        if not known:
            yield "Prometheus has no metric at all yet: it is new, or nothing was scraped."
        elif name and name not in known:
            near = get_close_matches(name, known, n=3) or [each for each in known if name in each][:3]
            yield f"There is no metric {name}." + (f" Near it: {_listed(near)}." if near else "")

    def _no_labels(self) -> Iterator[str]:
        for matcher in self._selector.matchers:
            if _matches_nothing(matcher):
                continue
            values = self._metadata.values(matcher.label, self._selector.metric)
            if not values:
                labels = self._metadata.labels(self._selector.metric)
                yield f"{self._name} has no label {matcher.label}. It has: {_listed(labels)}."
            elif not self._metadata.values(matcher.label, str(Selector(self._selector.metric, (matcher,)))):
                near = get_close_matches(matcher.value, values, n=3)
                shown = near + [value for value in values if value not in near]
                yield f"No series of {self._name} has {matcher}. Values of {matcher.label}: {_listed(shown)}."

    def _no_series(self) -> Iterator[str]:
        if not self._metadata.labels(str(self._selector)):
            conditions = ", ".join(map(str, self._selector.matchers))
            yield f"Each of {conditions} is true for some series of {self._name}, but no series has all of them."

    def _no_samples(self) -> Iterator[str]:
        within = f"count(last_over_time({self._selector}[{self._span}]))" if self._span else ""
        # A series that lives has perhaps none in a window that is too short: that is another reason.
        now = "" if self._last else f"count({self._selector})"
        if self._number(" or ".join(filter(None, [now, within]))) is not None:
            return
        newest = self._number(f"max(max_over_time(timestamp({self._selector})[{_SEARCH}]))")
        seen = f"; the newest before that is of {_clock(newest)}" if newest else ""
        span = f"in the {self._span} before" if self._span else "at"
        yield (
            f"{self._selector} has no sample {span} {_clock(self._at)}{seen}. "
            "Its series expired, its target was down, or nothing was recorded yet."
        )

    def _too_few(self) -> Iterator[str]:
        if not self._selector.window:
            return
        most = self._number(f"max(count_over_time({self._selector}[{self._selector.window}]))")
        if most is not None and most >= 2:
            return
        distance = self._distance()
        advice = f" Samples come every {distance:g} s: take [{4 * distance:g}s]," if distance else " Take a longer one,"
        yield (
            f"{self._selector} has {most or 0:.0f} sample{'' if most == 1 else 's'} in [{self._selector.window}] at "
            f"{_clock(self._at)}, and a rate needs two.{advice} or wait until the series is old enough."
        )

    def _distance(self) -> float | None:
        """How often the target of the series is scraped, in seconds."""
        jobs = self._metadata.values("job", str(self._selector))
        known = (self._prometheus.scrape_interval(job) for job in jobs)
        return next((interval for interval in known if interval), None)

    def _number(self, promql: str) -> float | None:
        frame = self._prometheus.query(promql, self._at)
        return float(frame["value"].iloc[0]) if len(frame) else None

    @property
    def _name(self) -> str:
        return self._selector.metric or "what was scraped"


def _down(prometheus: Prometheus, at: float) -> Iterator[str]:
    for row in prometheus.query("up == 0", at).itertuples():
        yield f"The target {row.instance} of the job {row.job} was down at {_clock(at)}: what it shows was not scraped."


def _matches_nothing(matcher: Matcher) -> bool:
    """Whether series without the label match, too."""
    return matcher.operator in {"!=", "!~"} or not matcher.value


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
