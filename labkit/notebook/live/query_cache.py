"""The answers to the dashboard's queries, kept: it draws from them, and nothing is asked for twice."""

import pandas as pd

from labkit.notebook.live.history import History
from labkit.plotting.dashboard import SCRAPE_INTERVAL
from labkit.plotting.panels import Panel, Window, choose, substitute
from labkit.prometheus.query import Duration, Moment, Prometheus


class QueryCache(Prometheus):
    """Answers the dashboard's queries from histories, which others keep up to date."""

    def __init__(self, prometheus: Prometheus, last: float) -> None:
        super().__init__(prometheus.url)
        self._interval = prometheus.scrape_interval("labkit") or SCRAPE_INTERVAL
        self._window = Window(last, self._interval)
        self._values = choose({}) | self._window.variables()
        self._histories: dict[str, History] = {}

    def of(self, panel: Panel) -> list[History]:
        """Return the histories of a panel, one for each of its queries."""
        histories = [self._history(substitute(target.promql, self._values)) for target in panel.targets]
        self._histories |= {history.promql: history for history in histories}
        return histories

    # They are asked for the window that they were made for, and nothing else.
    def query_range(
        self,
        promql: str,
        last: Duration = "5m",  # noqa: ARG002  see above
        step: Duration = "5s",  # noqa: ARG002
        end: Moment | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Return what is known of one of the dashboard's queries."""
        return self._histories[promql].frame()

    def scrape_interval(self, job: str) -> float | None:  # noqa: ARG002  the dashboard knows one job
        """Return what it was at the start."""
        return self._interval

    def _history(self, promql: str) -> History:
        step, last = round(self._window.step * 1e3), round(self._window.last * 1e3)
        return History(promql, step, last)
