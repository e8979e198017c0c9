"""Request metrics for any ASGI application built with Starlette or FastAPI.

>>> app.add_middleware(RequestMeter, metrics=service, exclude=["/-/healthy"])

Series: histogram `api_request_duration_ms{endpoint,method}` and counter `api_errors{endpoint}`.
"""

from collections.abc import Callable, Collection, Iterable
from math import inf
from time import perf_counter

from starlette.routing import Mount
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
    middleware that hands on a copy of the scope hides the route: put it outside this one.

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
        self._took = metrics.histogram(
            "api_request_duration_ms", "Time to answer.", ["endpoint", "method"], buckets=BUCKETS_MS, unit="ms"
        )
        self._errors = metrics.counter("api_errors", "Requests that failed.", ["endpoint"])
        self._children: dict[tuple[str, str], tuple[Histogram, Counter]] = {}
        for endpoint, method in known:
            self._of(endpoint, method)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send, self._record)
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
        took, errors = self._of(endpoint, method)
        took.observe(milliseconds)
        if failed:
            errors.inc()
        if self._on_answer:
            self._on_answer(endpoint, method, failed)

    def _of(self, endpoint: str, method: str) -> tuple[Histogram, Counter]:
        key = (endpoint, method)
        if key not in self._children:
            took = self._took.labels(endpoint=endpoint, method=method)
            self._children[key] = (took, self._errors.labels(endpoint=endpoint))
        return self._children[key]


class _Answer:
    """One answer on its way out: notices which message completes it, and records it once."""

    def __init__(self, scope: Scope, send: Send, record: Callable[[str, str, float, bool], None]) -> None:
        self._scope, self._send, self._record = scope, send, record
        self._root: str = scope.get("root_path", "")
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
            self._record(template(self._scope, self._root), self._scope["method"], milliseconds, failed)

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


def template(scope: Scope, root: str = "") -> str:
    """Return the template of the route that took the request, or `unmatched`.

    Args:
        scope: the request's scope, after routing.
        root: the `root_path` it had before routing; what was added since are mounts.
    """
    route = _route(scope)
    if route is None and scope.get("root_path", "") == root:
        return UNMATCHED
    mounts = _mounts(scope, root, getattr(route, "param_convertors", {}))
    return (mounts + getattr(route, "path_format", "") or "/") if mounts is not None else UNMATCHED


def _route(scope: Scope) -> object | None:
    """The innermost route, or None: nothing matched, or a mounted application did that has no such thing."""
    # FastAPI keeps the route of an included router as it was before inclusion, and the included one beside it.
    context = scope.get("fastapi", {}).get("effective_route_context")
    route = scope.get("route")
    if context is not None and (route is None or context.original_route is route):
        route = context.starlette_route or context
    elif route is None:
        route = _plain_route(scope)
    return None if isinstance(route, Mount) else route


def _plain_route(scope: Scope) -> object | None:
    # FastAPI does not say which of Starlette's own routes it chose, only which function.
    routes = getattr(scope.get("app"), "routes", ())
    found = (route for route in routes if getattr(route, "endpoint", None) is scope.get("endpoint", scope))
    return next(found, None)


def _mounts(scope: Scope, root: str, own: Collection[str]) -> str | None:
    """The templates of the mounts: what they added to the root path, with values turned back into names."""
    prefix: str = scope.get("root_path", "")[len(root) :]
    segments = prefix.split("/")
    for name, value in scope.get("path_params", {}).items():
        if prefix and name not in own:
            if str(value) not in segments:
                return None
            segments = [f"{{{name}}}" if segment == str(value) else segment for segment in segments]
    return "/".join(segments)
