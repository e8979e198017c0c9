"""Questions at a steady pace: one session that is kept, and the words of `labkit.prometheus.client` if it fails."""

from collections.abc import Callable
from time import monotonic

import requests

from labkit.errors import QueryError
from labkit.keyspace.connection import redact
from labkit.prometheus.client import Client
from labkit.prometheus.frames import MALFORMED, Answer, by_bounds
from labkit.prometheus.query import Prometheus

_TIMEOUT = 5.0
# Whoever refuses credentials may lock out who sends them every second: s to leave it alone.
_REST = 30.0
_REFUSED = (requests.codes.unauthorized, requests.codes.forbidden)


class Asker:
    """Asks one Prometheus, which is looked for again after a failure: a lab that comes back may have other ports.

    `find` returns it. One after the other, not for several threads at a time.
    """

    def __init__(self, find: Callable[[], Prometheus]) -> None:
        self._find, self._rests_until = find, 0.0
        self._meet(_client(find()))

    def range(self, promql: str, start: int, end: int, step: int) -> Answer:
        """Return the answer to a range query; times are in ms.

        Raises:
            QueryError: Prometheus refused the query, or did not answer.
            LabkitError: there is no Prometheus to ask any more.
        """
        bounds = (start / 1e3, end / 1e3, step / 1e3)
        if monotonic() < self._rests_until:
            raise self._refusal
        try:
            answer = self._ask(promql, *bounds)
        except requests.Timeout:
            raise QueryError(f"Prometheus at {redact(self._client.url)} has not answered for {_TIMEOUT:g} s.") from None
        except (requests.RequestException, QueryError) as error:
            found = _client(self._find())
            if isinstance(error, QueryError) and found.url == self._client.url:
                raise
            self._meet(found)
            # It says what is wrong; or nothing is, any more.
            answer = found.range(promql, *bounds)
        return by_bounds(_whole(answer))

    def _meet(self, client: Client) -> None:
        self._client, self._session = client, client.session()

    def _ask(self, promql: str, start: float, end: float, step: float) -> Answer:
        bounds = {"start": f"{start}", "end": f"{end}", "step": f"{step}", "timeout": f"{_TIMEOUT:g}"}
        url = f"{self._client.url}/api/v1/query_range"
        response = self._session.get(url, params={"query": promql, **bounds}, timeout=_TIMEOUT)
        try:
            return self._client.read(response, promql)
        except QueryError as error:
            if response.status_code in _REFUSED:
                self._rests_until, self._refusal = monotonic() + _REST, error
            raise


def _whole(answer: Answer) -> Answer:
    """The answer, if every sample in it is one."""
    try:
        for series in answer["data"]["result"]:
            sorted(series["metric"].items())
            for at, value in series["values"]:
                _ = round(at * 1e3), float(value)
    except MALFORMED as error:
        raise QueryError(f"This is not what Prometheus answers to a query: {error!r}") from None
    return answer


def _client(prometheus: Prometheus) -> Client:
    return Client(prometheus.url, _TIMEOUT)
