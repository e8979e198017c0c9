"""The one client of Prometheus: connections that are kept, requests with a deadline, one clear error.

prometheus-api-client sends the requests. It passes on only the result: not its type, its warnings, or Prometheus'
message in readable form. It also retries requests and waits forever by default. Here every request is made once, and
gives either Prometheus' whole answer or one clear error.
"""

import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from threading import local
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import PrometheusConnect
from requests.adapters import HTTPAdapter

from labkit.errors import QueryError
from labkit.keyspace.connection import redact

DEFAULT_URL = "http://127.0.0.1:9090"

Answer = dict[str, Any]

# What looking into JSON raises that does not have the form it should have.
MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)

# Connections that are kept; so many live figures may ask at the same time.
_POOL = 64
# Prometheus itself gives up after the timeout; it gets this much longer (s) to say so.
_GRACE = 1.0
# Prometheus 3 also says so of a query that it calls bad, or that failed: it depends on how far it had come.
_TOO_LATE = "context deadline exceeded"


class Refused(QueryError):
    """Prometheus understood the request, and refused it."""


class CredentialsRefused(QueryError):
    """The URL's user and password are wrong or missing."""


class TimedOut(QueryError):
    """No answer came in time."""


class Client:
    """Requests to one Prometheus. All methods return its answer, and raise `QueryError`. Times are in seconds.

    Threads may share a client; clients of the same URL and timeout share their connections. Prometheus gives up after
    `timeout`, and the client `grace` seconds later.
    """

    def __init__(self, url: str, timeout: float, grace: float = _GRACE) -> None:
        self.url, self.timeout, self._grace = _checked(url), timeout, grace

    def instant(self, promql: str, at: float) -> Answer:
        parameters = {"time": at, "timeout": f"{self.timeout:g}"}
        return self._ask(lambda connection: connection.custom_query(promql, parameters), promql)

    def range(self, promql: str, start: float, end: float, step: float) -> Answer:
        moments = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
        # These replace the library's own bounds, which it rounds to whole seconds.
        bounds = {"start": start, "end": end, "timeout": f"{self.timeout:g}"}
        answer = self._ask(
            lambda connection: connection.custom_query_range(promql, *moments, f"{step}", bounds), promql
        )
        return by_bounds(answer)

    def targets(self) -> Answer:
        return self._ask(lambda connection: connection.get_targets("active"))

    def labels(self, selector: str = "") -> Answer:
        return self._ask(lambda connection: connection.get_label_names(_matching(selector)))

    def label_values(self, label: str, selector: str = "") -> Answer:
        return self._ask(lambda connection: connection.get_label_values(quote(label, safe=""), _matching(selector)))

    def timed_out(self) -> QueryError:
        return TimedOut(
            f"Prometheus at {redact(self.url)} did not answer within {self.timeout:g} s. Ask for less (a shorter "
            "range, a longer step, fewer series), or wait longer: Prometheus(url, timeout=60). If it hangs, "
            "`labkit status` says so."
        )

    def _ask(self, send: Callable[[PrometheusConnect], object], promql: str = "") -> Answer:
        received = _received.responses
        received.clear()
        try:
            send(_connection(self.url, self.timeout + self._grace))
        except requests.Timeout:
            raise self.timed_out() from None
        except (requests.RequestException, PrometheusApiClientException, RecursionError, *MALFORMED) as error:
            # The library found no result in it; the response itself says more.
            if not received:
                raise self._unreachable(error) from None
        return self._read(received.pop(), promql)

    def _read(self, response: requests.Response, promql: str) -> Answer:
        try:
            answer: Answer = response.json()
            status, data, error = answer["status"], answer.get("data"), answer.get("error")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise self._no_prometheus(response) from None
        if status == "success" and isinstance(data, dict | list):
            return answer
        if answer.get("errorType") == "timeout" or (isinstance(error, str) and _TOO_LATE in error):
            raise self.timed_out()
        if isinstance(error, str):
            raise Refused(f"Prometheus refused the query: {_pointed(error, promql)}")
        raise self._no_prometheus(response)

    def _no_prometheus(self, response: requests.Response) -> QueryError:
        where, status = redact(self.url), f"{response.status_code} {response.reason}"
        if response.status_code == requests.codes.service_unavailable:
            return QueryError(f"Prometheus at {where} is starting or stopping ({status}). Try again in a moment.")
        if response.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
            return CredentialsRefused(
                f"Prometheus at {where} wants other credentials ({status}). They may be in its URL: "
                "http://user:password@host:9090"
            )
        return QueryError(
            f"{where} answers, but not as Prometheus does ({status}). Is it the right URL? See `labkit status`."
        )

    def _unreachable(self, error: Exception) -> QueryError:
        return QueryError(
            f"No Prometheus answers at {redact(self.url)} ({_root(error)}). Start the lab with `labkit up`, or find "
            "out where it runs with `labkit status`."
        )


class _Received(local):
    """The whole response to what a thread has asked; the library returns only its result."""

    def __init__(self) -> None:
        self.responses: list[requests.Response] = []


_received = _Received()


def _keep(response: requests.Response, **_: object) -> None:
    if not response.is_redirect:
        len(response.content)  # all of it: an answer that breaks off is none
        _received.responses.append(response)


@lru_cache(maxsize=16)
def _connection(url: str, timeout: Any) -> PrometheusConnect:  # the library's annotation knows only whole seconds
    session = requests.Session()
    # A proxy meant for the internet cannot reach this machine's loopback interface.
    session.trust_env = urlsplit(url).hostname not in {"localhost", "127.0.0.1", "::1"}
    session.hooks["response"].append(_keep)
    connection = PrometheusConnect(url, session=session, timeout=timeout)
    # Its own adapter retries, which would turn a 503 into six seconds of silence and lose the message.
    session.mount(url, HTTPAdapter(pool_maxsize=_POOL))
    return connection


# Two processes on one connection would read each other's answers.
os.register_at_fork(after_in_child=_connection.cache_clear)


def by_bounds(answer: Answer) -> Answer:
    """Return an answer with its series ordered by their labels, the bounds `le` of buckets as the numbers they are."""
    try:
        if any("le" in series["metric"] for series in answer["data"]["result"]):
            ordered = sorted(answer["data"]["result"], key=_labels_in_order)
            return {**answer, "data": {**answer["data"], "result": ordered}}
    except MALFORMED:
        # Whoever reads it says so.
        return answer
    return answer


def _labels_in_order(series: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    labels = sorted(series["metric"].items())
    return [(name, _bound(value) if name == "le" else 0.0, value) for name, value in labels]


def _bound(le: str) -> float:
    try:
        return float(le)
    except ValueError:
        return float("inf")


def _matching(selector: str) -> dict[str, str]:
    return {"match[]": selector} if selector else {}


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise QueryError(f"{redact(url)!r} is not a valid Prometheus URL; one looks like {DEFAULT_URL!r}.")
    return url.rstrip("/")


def _pointed(error: str, promql: str) -> str:
    """The message, and below it the query with a caret at the position that the message names."""
    lines = promql.split("\n")
    place = re.search(r"\b(\d{1,6}):(\d{1,6}): parse error", error)
    if place and 0 < int(place[1]) <= len(lines):
        line, column = int(place[1]), int(place[2])
        # Prometheus counts bytes.
        before = lines[line - 1].encode()[: column - 1].decode(errors="ignore")
        lines.insert(line, f"{' ' * len(before)}^")
    return "\n    ".join([error, *lines])


def _root(error: BaseException) -> str:
    """The root cause, without the layers of the HTTP libraries around it."""
    while below := error.__cause__ or error.__context__:
        error = below
    return str(getattr(error, "strerror", None) or error)
