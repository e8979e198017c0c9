"""The client of a live figure: what it asks at a steady pace, of a Prometheus that may come back elsewhere."""

from collections.abc import Callable
from time import monotonic

from labkit.errors import QueryError
from labkit.keyspace.connection import redact
from labkit.notebook.live.history import Growth, History
from labkit.prometheus.client import Answer, Client, CredentialsRefused, TimedOut
from labkit.prometheus.query import Prometheus

_TIMEOUT = 5.0
# A server that refuses credentials may lock out who sends them every second: s to leave it alone.
_PAUSE = 30.0


class LiveClient:
    """Asks the Prometheus that `find` returns, and `find`s again after a failure: a lab may come back on other ports.

    Not for several threads at a time.
    """

    def __init__(self, find: Callable[[], Prometheus]) -> None:
        self._find, self._client = find, _client(find())
        self._refusal, self._paused_until = QueryError(), 0.0

    def update(self, history: History, now: float) -> Growth | None:
        """Ask for what the history lacks at `now`, in seconds; return what that changed, None if nothing is due.

        Raises:
            QueryError: Prometheus refused the query, or did not answer.
            LabkitError: there is no Prometheus to ask any more.
        """
        if not (due := history.due(now)):
            return None
        start, end = due
        return history.take(self.range(history.promql, start / 1e3, end / 1e3, history.step / 1e3), end)

    def range(self, promql: str, start: float, end: float, step: float) -> Answer:
        """Return the answer to a range query; times are in seconds. The errors are those of `update`."""
        if monotonic() < self._paused_until:
            raise self._refusal
        try:
            return self._client.range(promql, start, end, step)
        except TimedOut:
            raise QueryError(f"Prometheus at {redact(self._client.url)} has not answered for {_TIMEOUT:g} s.") from None
        except QueryError as error:
            if isinstance(error, CredentialsRefused):
                self._refusal, self._paused_until = error, monotonic() + _PAUSE
            found = _client(self._find())
            if found.url == self._client.url:
                raise
            self._client, self._paused_until = found, 0.0
            return found.range(promql, start, end, step)


def _client(prometheus: Prometheus) -> Client:
    return Client(prometheus.url, _TIMEOUT, grace=0)
