"""Questions at a steady pace: one connection that is kept, and all the words of `labkit.client` when it fails."""

import json
from collections.abc import Callable
from urllib.parse import urlencode

import urllib3

from labkit.answers import MALFORMED, Answer, by_bounds
from labkit.client import Client
from labkit.connection import redact
from labkit.errors import QueryError
from labkit.query import Prometheus

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_TIMEOUT = 5.0


class Asker:
    """Asks one Prometheus, which is looked for again after a failure: a lab that comes back may have other ports.

    `find` returns it. One after the other, not for several threads at a time.
    """

    def __init__(self, find: Callable[[], Prometheus]) -> None:
        self._find, self._client, self._pool = find, _client(find()), _pool()

    def range(self, promql: str, start: int, end: int, step: int) -> Answer:
        """Return the answer to a range query; times are in ms.

        Raises:
            QueryError: Prometheus refused the query, or did not answer.
            LabkitError: there is no Prometheus to ask any more.
        """
        bounds = {"start": start / 1e3, "end": end / 1e3, "step": step / 1e3}
        answer = self._quickly({"query": promql, **bounds, "timeout": f"{_TIMEOUT:g}"})
        if answer is None:
            self._client = _client(self._find())
            # It says what is wrong; or nothing is, any more.
            answer = self._client.range(promql, bounds["start"], bounds["end"], bounds["step"])
        return by_bounds(_whole(answer))

    def _quickly(self, form: dict[str, object]) -> Answer | None:
        try:
            reply = self._pool.request(
                "POST", f"{self._client.url}/api/v1/query_range", body=urlencode(form), headers=_FORM
            )
            answer: Answer = json.loads(reply.data)
        except urllib3.exceptions.NewConnectionError:
            # For urllib3 a kind of timeout; but nothing was waited for.
            return None
        except urllib3.exceptions.TimeoutError:
            raise QueryError(f"Prometheus at {redact(self._client.url)} has not answered for {_TIMEOUT:g} s.") from None
        except (urllib3.exceptions.HTTPError, ValueError, RecursionError):
            return None
        return answer if isinstance(answer, dict) and answer.get("status") == "success" else None


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


def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(retries=False, timeout=_TIMEOUT)


def _client(prometheus: Prometheus) -> Client:
    return Client(prometheus.url, _TIMEOUT)
