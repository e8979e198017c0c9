"""Request metrics for any ASGI application built with Starlette or FastAPI.

>>> app.add_middleware(RequestMeter, metrics=service, exclude=["/-/healthy"])

Series: histogram `api_request_duration_ms{endpoint,method}` and counter `api_errors{endpoint}`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from math import inf
from time import perf_counter
from typing import Any

from starlette.routing import Host, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labkit.writer.metrics import Counter, Histogram
from labkit.writer.service import RedisMetricsService

UNMATCHED = "unmatched"
OTHER_METHOD = "OTHER"
BUCKETS_MS = (0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)

_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_LAST_MESSAGES = ("http.response.body", "http.response.pathsend", "http.response.zerocopysend")

OnAnswer = Callable[[str, str, bool], None]


class RequestMeter:
    """Times every HTTP request and counts those that fail: 4xx, 5xx, an exception, or no answer at all.

    A request is recorded just before the message that completes its answer is sent: who has read the answer and
    then looks at what was recorded finds the request there. An exception is recorded and goes on its way.

    The label `endpoint` is the template of the route, with mounts and included routers, such as
    `/items/{item_id}`; paths without a route share `unmatched`, methods unknown to HTTP share `OTHER`. A
    middleware that changes the path hides the route: put it outside this one.

    Args:
        app: the application to meter.
        metrics: records the series.
        exclude: templates that are not metered, such as the health answer.
        known: (template, method) pairs whose series shall exist, at zero, before the first request.
        on_answer: called with (endpoint, method, failed) together with each recording.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: RedisMetricsService,
        *,
        exclude: Collection[str] = (),
        known: Iterable[tuple[str, str]] = (),
        on_answer: OnAnswer | None = None,
    ) -> None:
        self._app, self._exclude, self._on_answer = app, frozenset(exclude), on_answer
        self._router = _router_of(app)
        self._durations = metrics.histogram(
            "api_request_duration_ms", "Time to answer.", ["endpoint", "method"], buckets=BUCKETS_MS, unit="ms"
        )
        self._errors = metrics.counter("api_errors", "Requests that failed.", ["endpoint"])
        self._children: dict[tuple[str, str], tuple[Histogram, Counter]] = {}
        for endpoint, method in known:
            self._children_for(endpoint, method)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        root = getattr(self._router, "root_path", "") or scope.get("root_path", "")

        def record(milliseconds: float, failed: bool) -> None:
            endpoint = template(self._router, {**scope, "root_path": root})
            self._record(endpoint, scope["method"], milliseconds, failed)

        answer = _Answer(scope, send, record)
        try:
            await self._app(scope, receive, answer.send)
        except BaseException:
            answer.broken = True
            raise
        finally:
            answer.complete()

    def _record(self, endpoint: str, method: str, milliseconds: float, failed: bool) -> None:
        if endpoint in self._exclude:
            return
        method = method if method in _METHODS else OTHER_METHOD
        took, errors = self._children_for(endpoint, method)
        took.observe(milliseconds)
        if failed:
            errors.inc()
        if self._on_answer:
            self._on_answer(endpoint, method, failed)

    def _children_for(self, endpoint: str, method: str) -> tuple[Histogram, Counter]:
        key = (endpoint, method)
        if key not in self._children:
            took = self._durations.labels(endpoint=endpoint, method=method)
            self._children[key] = (took, self._errors.labels(endpoint=endpoint))
        return self._children[key]


class _Answer:
    """One answer on its way out: notices which message completes it, and records it once."""

    def __init__(self, scope: Scope, send: Send, record: Callable[[float, bool], None]) -> None:
        self._scope, self._send, self._record = scope, send, record
        self._status, self._bytes_left, self._recorded = 0, inf, False
        self.broken = False
        self._started = perf_counter()

    async def send(self, message: Message) -> None:
        if self._completes(message):
            self.complete()
        await self._send(message)

    def complete(self) -> None:
        if not self._recorded:
            self._recorded = True
            milliseconds = (perf_counter() - self._started) * 1e3
            failed = self.broken or not 100 <= self._status < 400
            self._record(milliseconds, failed)

    def _completes(self, message: Message) -> bool:
        # A client has its answer once all the promised bytes are there: that may be before the last message.
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._bytes_left = self._promised(message)
            return self._bytes_left == 0
        if message["type"] in _LAST_MESSAGES:
            self._bytes_left -= len(message.get("body", b""))
            return self._bytes_left <= 0 or not message.get("more_body", False)
        return False

    def _promised(self, start: Message) -> float:
        if self._scope["method"] == "HEAD" or start["status"] in {204, 304}:
            return 0
        headers = start.get("headers", ())
        return next((int(value) for name, value in headers if name.lower() == b"content-length"), inf)


def template(app: object, scope: Scope) -> str:
    """Return the template of the route that takes a request, or `unmatched`.

    The routes are asked again, in the order of the router: what that leaves in the scope does not tell a value from
    a piece of the path that reads the same, nor the two paths of one function.

    Args:
        app: what has the routes.
        scope: the request, with the `root_path` that `app` sees.
    """
    found = _matching(getattr(app, "routes", ()), {**scope, "path_params": {}})
    return UNMATCHED if found is None else found or "/"


def _matching(routes: Iterable[Any], scope: Scope) -> str | None:
    partial = None
    for route in _flattened(routes):
        match, child = route.matches(scope)
        if match is Match.FULL:
            return _template(_original(route), {**scope, **child})
        if match is Match.PARTIAL and partial is None:  # another method: the router refuses it in this one's name
            partial = _original(route)
    return partial and _template(partial, scope)


def _template(route: Any, scope: Scope) -> str | None:
    if not isinstance(route, Mount | Host):
        return str(getattr(route, "path_format", ""))
    app = _router_of(route.app)
    routes, root = getattr(app, "routes", ()), getattr(app, "root_path", "")
    within = _matching(routes, {**scope, "root_path": root} if root else scope)
    if isinstance(route, Host):
        return within if routes else ""
    return route.path_format.removesuffix("/{path}") + (within or "")


def _flattened(routes: Iterable[Any]) -> Iterator[Any]:
    """The routes, with those of FastAPI's included routers in their place."""
    for route in routes:
        included = getattr(route, "effective_candidates", None)
        yield from _flattened(included()) if included else (route,)


def _original(route: Any) -> Any:
    # FastAPI keeps a route of Starlette that was included beside the one that it stands for.
    return getattr(route, "starlette_route", None) or route


def _router_of(app: object) -> object:
    """The application or router that is wrapped by any number of middlewares."""
    inner = app
    while inner is not None and not hasattr(inner, "routes"):
        inner = getattr(inner, "app", None) or getattr(inner, "_app", None)
    return inner or app
