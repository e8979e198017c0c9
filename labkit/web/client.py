"""One HTTP request to a service nearby: no proxies, no redirects, no session, nothing to import but Python's own."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

TIMEOUT = 5.0
_CONNECTIONS: dict[str, type[HTTPConnection]] = {"http": HTTPConnection, "https": HTTPSConnection}


@dataclass(frozen=True)
class Response:
    """What a service answered."""

    status: int
    text: str

    def json(self) -> dict[str, Any] | None:
        """Return the JSON object that the text is, None if it is none."""
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


def request(
    method: str, url: str, *, data: object = None, form: Mapping[str, str] | None = None, timeout: float = TIMEOUT
) -> Response:
    """Send a request, with `data` as JSON or with a `form`, and return the answer. `timeout` in seconds.

    Raises:
        OSError: there is no answer, or no such URL; the message says why.
    """
    body, kind = (urlencode(form), "x-www-form-urlencoded") if form else (json.dumps(data), "json")
    given = bool(form) or data is not None
    try:
        with closing(_connection(url, timeout)) as connection:
            target = urlunsplit(("", "", *urlsplit(url)[2:4], "")) or "/"
            connection.request(
                method, target, body if given else None, {"Content-Type": f"application/{kind}"} if given else {}
            )
            answer = connection.getresponse()
            return Response(answer.status, answer.read().decode(errors="replace"))
    except (HTTPException, ValueError) as error:
        raise OSError(str(error) or type(error).__name__) from None


def _connection(url: str, timeout: float) -> HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme not in _CONNECTIONS or not parts.hostname:
        raise ValueError("the URL does not begin with http:// and a host")
    return _CONNECTIONS[parts.scheme](parts.hostname, parts.port, timeout=timeout)
