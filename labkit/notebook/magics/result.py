"""The answer to one query of a notebook: asked once, and made into a frame or a figure when wanted.

>>> result = Result(prometheus, "sum by (event) (rate(user_events[20s]))", last="5m")
>>> result.frame      # tidy, UTC; see labkit.prometheus.frames
>>> result.figure     # plotly
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from labkit.errors import QueryError
from labkit.notebook.magics import highlight
from labkit.notebook.magics.advice import advice, is_heatmap
from labkit.notebook.magics.deadline import Deadline
from labkit.prometheus.query import fitting_step, timestamp
from labkit.ui.tables import Html

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from labkit.prometheus.query import Prometheus

_ROWS = 20
# s between two scrapes, where Prometheus does not say.
_SCRAPED = 5.0


class Result:
    """What Prometheus answers to a query, at one moment or over a time. It is asked once, at the first use.

    Args:
        prometheus: where to ask.
        promql: the query.
        last: the time to look back, such as "5m"; without it, the query is asked for one moment.
        step: the distance between two values over that time; by default, one for about 250 of them.
        at: the moment, or the end of that time, in seconds since 1970; now by default.
        plot: show a figure (True) or a table (False); by default a figure if there is a time to look back over.
        title: the figure's title; by default the query.
        unit: of the values, such as "ms", "s", "%" or "events/s".
    """

    def __init__(  # noqa: PLR0913  one option of the magic, one word
        self,
        prometheus: "Prometheus",
        promql: str,
        *,
        last: str | None = None,
        step: str | None = None,
        at: float | None = None,
        plot: bool | None = None,
        title: str = "",
        unit: str = "",
    ) -> None:
        self.promql, self.last, self.step = promql, last, step
        # Fixed now, however late the answer is asked for.
        self.at = timestamp(at)
        self.plots = last is not None if plot is None else plot
        self._prometheus, self._title, self._unit = prometheus, title, unit

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """The tidy data frame, times in UTC, as `labkit.prometheus.frames` describes it.

        Raises:
            QueryError: Prometheus refused the query, with a mark at the place, or did not answer.
        """
        return self._asked()

    @cached_property
    def figure(self) -> "go.Figure":
        """The figure: lines over time, a heat map of a histogram, or, for one moment, one bar per series."""
        from labkit.plotting import charts

        # A query such as up[1m] has many times although it is asked for one moment.
        draw = charts.bars if self.last is None and self.frame["time"].nunique() <= 1 else charts.line
        draw = charts.heatmap if self.last is not None and is_heatmap(self.promql, self.frame) else draw
        return draw(self.frame, title=self._title or " ".join(self.promql.split()), unit=self._unit)

    @property
    def warnings(self) -> list[str]:
        """What Prometheus warns of."""
        return list(self.frame.attrs["warnings"])

    @property
    def infos(self) -> list[str]:
        """What else Prometheus remarks about the query, without what it says of counters that have another name.

        `frame.attrs["infos"]` has all of it.
        """
        return [info for info in self.frame.attrs["infos"] if _ANOTHER_NAME not in info]

    @property
    def advice(self) -> list[str]:
        """What the query could ask instead, to be seen better, one sentence each; usually nothing."""
        return advice(self.promql, self.frame)

    @cached_property
    def reasons(self) -> list[str]:
        """Why the answer may be empty, one sentence each; nothing if it is not. Asks Prometheus, when first used."""
        return self._why()

    def ask(self, timeout: float) -> None:
        """Ask now: for the answer and, if that is empty, why; both together within `timeout` seconds.

        Raises:
            QueryError: as `frame`; also when that time is over.
        """
        deadline = Deadline(timeout)
        try:
            self.frame = deadline.run(self._asked)
        except TimeoutError:
            raise self._prometheus.timed_out() from None
        try:
            self.reasons = deadline.run(self._why)
        except TimeoutError:
            self.reasons = [f"Prometheus did not say why within {timeout:g} s."]

    def _asked(self) -> "pd.DataFrame":
        if self.last is None:
            return self._prometheus.query(self.promql, self.at)
        step = self.step or fitting_step(self.last, self._scraped())
        return self._prometheus.query_range(self.promql, self.last, step, self.at)

    def _scraped(self) -> float:
        try:
            return self._prometheus.shortest_scrape_interval() or _SCRAPED
        except QueryError:
            # Not every server that answers queries tells of its targets. If nothing answers, the query says so.
            return _SCRAPED

    def _why(self) -> list[str]:
        if len(self.frame):
            return []
        from labkit.notebook.magics.diagnosis import explain

        return explain(self._prometheus, self.promql, at=self.at, last=self.last)

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        body = (
            self.frame.to_string(index=False, max_rows=_ROWS)
            if len(self)
            else "\n- ".join([f"No series. {_WHY}", *self.reasons])
        )
        warnings = [f"warning: {warning}" for warning in self.warnings]
        return "\n".join([*warnings, body, *(f"note: {info}" for info in (*self.infos, *self.advice))])

    @property
    def remarks(self) -> Html:
        """What Prometheus and labkit say about the answer; empty if nothing."""
        warnings = highlight.notes("Prometheus warns", self.warnings) if self.warnings else ""
        infos = highlight.notes("Prometheus remarks", self.infos, quiet=True) if self.infos else ""
        advised = highlight.notes("To see more", self.advice, quiet=True) if self.advice else ""
        return Html(warnings + infos + advised, "\n".join((*self.warnings, *self.infos, *self.advice)))

    @property
    def _heading(self) -> str:
        """The query in color, with the remarks below it."""
        return highlight.code(self.promql) + self.remarks._repr_html_()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        plain = {"text/plain": repr(self)}
        if not len(self):
            reasons = highlight.notes(f"No series. {_WHY}", self.reasons)
            return plain | {"text/html": self._heading + reasons}
        if self.plots:
            return plain | dict(self._titled()._repr_mimebundle_(include=include, exclude=exclude))
        return plain | {"text/html": self._heading + _table(self.frame)}

    def _titled(self) -> "go.Figure":
        """The figure with the query in color: as its title, or below the title that was given."""
        import plotly.graph_objects as go

        query, lines = highlight.title(self.promql), len(self.promql.strip().split("\n"))
        top = self.figure.layout.margin.t or _TOP
        words = {"title_subtitle_text": query} if self._title else {"title_text": query}
        spare = lines if self._title else lines - 1
        return go.Figure(self.figure).update_layout(
            **words, margin_t=top + _LINE * spare, height=(self.figure.layout.height or _HEIGHT) + _LINE * spare
        )


# In pixels: the room above a figure, one line of a title, the height of a figure; see labkit.plotting.theme.
_TOP, _LINE, _HEIGHT = 78, 20, 340
_WHY = "It may be because:"
# The store's counters are not called …_total, and they are counters all the same.
_ANOTHER_NAME = "metric might not be a counter, name does not end in"


def _table(frame: "pd.DataFrame") -> str:
    days = frame["time"].dt.normalize().unique()
    clock = "%H:%M:%S.%f" if len(days) == 1 else "%Y-%m-%d %H:%M:%S.%f"
    # Only the times that are shown are written: a long answer has millions.
    times = {"time": lambda time: time.strftime(clock)[:-3]}
    html = frame.to_html(
        index=False, max_rows=_ROWS, border=0, float_format="{:,.6g}".format, formatters=times,
    )  # fmt: skip
    day = f", {days[0]:%Y-%m-%d}" if len(days) == 1 else ""
    return f"{html}<small>{len(frame):,} rows; times are UTC{day}</small>"
