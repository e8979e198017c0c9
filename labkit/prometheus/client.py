"""Query: one request to Prometheus, through prometheus-api-client, keeping what that drops.

The client passes on only the result: not its type, its warnings, or Prometheus' message in readable form. It also
retries requests and waits forever unless told otherwise. Here every request is made once, is bounded in time, and
gives either Prometheus' whole answer or one clear error.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from prometheus_api_client.prometheus_connect import PrometheusConnect
from urllib3.util.retry import Retry

from labkit.errors import QueryError
from labkit.keyspace.connection import redact
from labkit.prometheus.frames import MALFORMED, Answer

DEFAULT_URL = "http://127.0.0.1:9090"

# Prometheus itself gives up after the timeout; it gets this much longer (s) to say so.
_GRACE = 1.0
# Prometheus 3 also says so of a query that it calls bad, or that failed: it depends on how far it had come.
_TOO_LATE = "context deadline exceeded"


class Client:
    """Requests to one Prometheus. All methods return its answer, and raise `QueryError`. Times are in seconds."""

    def __init__(self, url: str, timeout: float) -> None:
        self.url, self.timeout = _checked(url), timeout

    def instant(self, promql: str, at: float) -> Answer:
        parameters = {"time": at, "timeout": f"{self.timeout:g}"}
        return self._ask(promql, lambda client: client.custom_query(promql, parameters))

    def range(self, promql: str, start: float, end: float, step: float) -> Answer:
        moments = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
        # These replace the client's own bounds, which it rounds to whole seconds.
        bounds = {"start": start, "end": end, "timeout": f"{self.timeout:g}"}
        return self._ask(promql, lambda client: client.custom_query_range(promql, *moments, f"{step}", bounds))

    def targets(self) -> Answer:
        return self._ask("", lambda client: client.get_targets("active"))

    def session(self) -> requests.Session:
        """Return a session to ask with: user and password of the URL are sent with the first request."""
        session = requests.Session()
        session.trust_env = not self._is_local()
        return session

    def _ask(self, promql: str, request: Callable[[PrometheusConnect], object]) -> Answer:
        answers: list[Answer] = []

        def keep(response: requests.Response, **_: object) -> None:
            if not response.is_redirect:
                answers.append(self.read(response, promql))

        with self.session() as session:
            session.hooks["response"].append(keep)
            timeout: Any = self.timeout + _GRACE  # the client's annotation knows only whole seconds
            # Its own retries would turn a 503 into six seconds of silence and lose the message.
            client = PrometheusConnect(self.url, session=session, retry=Retry(0, read=False), timeout=timeout)
            try:
                request(client)
            except requests.Timeout:
                raise self.timed_out() from None
            except requests.RequestException as error:
                raise self._unreachable(error) from None
            except MALFORMED as error:  # the client looks for what we do not need
                raise QueryError(f"{redact(self.url)} answers, but not as Prometheus does: {error!r}") from None
        return answers[-1]

    def _is_local(self) -> bool:
        # A proxy meant for the internet cannot reach this machine's loopback interface.
        return urlsplit(self.url).hostname in {"localhost", "127.0.0.1", "::1"}

    def read(self, response: requests.Response, promql: str) -> Answer:
        """Return what a response says."""
        try:
            answer: Answer = response.json()
            status, data, error = answer["status"], answer.get("data"), answer.get("error")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise self._no_prometheus(response) from None
        if status == "success" and isinstance(data, dict):
            return answer
        if answer.get("errorType") == "timeout" or (isinstance(error, str) and _TOO_LATE in error):
            raise self.timed_out()
        if isinstance(error, str):
            raise QueryError(f"Prometheus refused the query: {_pointed(error, promql)}")
        raise self._no_prometheus(response)

    def _no_prometheus(self, response: requests.Response) -> QueryError:
        where, status = redact(self.url), f"{response.status_code} {response.reason}"
        if response.status_code == requests.codes.service_unavailable:
            return QueryError(f"Prometheus at {where} is starting or stopping ({status}). Try again in a moment.")
        if response.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
            return QueryError(
                f"Prometheus at {where} wants other credentials ({status}). They may be in its URL: "
                "http://user:password@host:9090"
            )
        return QueryError(
            f"{where} answers, but not as Prometheus does ({status}). Is it the right URL? See `labkit status`."
        )

    def timed_out(self) -> QueryError:
        return QueryError(
            f"Prometheus at {redact(self.url)} did not answer within {self.timeout:g} s. Ask for less (a shorter "
            "range, a longer step, fewer series), or wait longer: Prometheus(url, timeout=60). If it hangs, "
            "`labkit status` says so."
        )

    def _unreachable(self, error: requests.RequestException) -> QueryError:
        return QueryError(
            f"No Prometheus answers at {redact(self.url)} ({_root(error)}). Start the lab with `labkit up`, or find "
            "out where it runs with `labkit status`."
        )


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
