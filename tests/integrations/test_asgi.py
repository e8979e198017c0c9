"""The request meter, on applications of every make."""

import asyncio
import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labkit import RedisMetricsService
from labkit.integrations.asgi import RequestMeter

Line = tuple[str, str, bool]


def answer(_: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


def fail(_: Request) -> PlainTextResponse:
    raise ZeroDivisionError("on purpose")


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("bare")(scope, receive, send)


def starlette() -> Starlette:
    inner = [Route("/items/{item:int}", answer), Route("/", answer)]
    return Starlette(
        routes=[
            Route("/plain", answer),
            Route("/items/{item:int}", answer, methods=["GET", "DELETE"]),
            Route("/fail", fail),
            Mount("/shop", routes=inner),
            Mount("/of/{owner}", routes=inner),
            Mount("/bare", app=bare),
            Host("other.org", app=Starlette(routes=[Route("/there", answer)])),
        ]
    )


def fastapi() -> FastAPI:
    async def item(item: int) -> int:
        return item

    leaf, branch, app, inner = APIRouter(), APIRouter(), FastAPI(), FastAPI()
    leaf.add_api_route("/items/{item}", item)
    branch.include_router(leaf, prefix="/leaf")
    branch.add_route("/plain", answer)
    app.include_router(branch, prefix="/{owner}/branch")
    app.add_api_route("/items/{item}", item)
    app.add_route("/fail", fail)
    inner.add_api_route("/items/{item}", item)
    app.mount("/inner", inner)
    return app


CASES = [
    (starlette, "GET", "/plain", "/plain", False),
    (starlette, "GET", "/items/5", "/items/{item}", False),
    (starlette, "DELETE", "/items/5", "/items/{item}", False),
    (starlette, "HEAD", "/items/5", "/items/{item}", False),
    (starlette, "POST", "/items/5", "/items/{item}", True),
    (starlette, "GET", "/items/x", "unmatched", True),
    (starlette, "GET", "/nowhere", "unmatched", True),
    (starlette, "GET", "/plain/", "unmatched", False),
    (starlette, "GET", "/fail", "/fail", True),
    (starlette, "GET", "/shop/items/5", "/shop/items/{item}", False),
    (starlette, "GET", "/shop/", "/shop/", False),
    (starlette, "GET", "/shop/nowhere/5", "/shop", True),
    (starlette, "GET", "/of/ann/items/5", "/of/{owner}/items/{item}", False),
    (starlette, "GET", "/of/ann/nowhere", "/of/{owner}", True),
    (starlette, "GET", "/bare/any/thing", "/bare", False),
    (starlette, "GET", "http://other.org/there", "/there", False),
    (fastapi, "GET", "/items/5", "/items/{item}", False),
    (fastapi, "GET", "/items/x", "/items/{item}", True),
    (fastapi, "PUT", "/items/5", "/items/{item}", True),
    (fastapi, "GET", "/ann/branch/leaf/items/5", "/{owner}/branch/leaf/items/{item}", False),
    (fastapi, "GET", "/ann/branch/plain", "/{owner}/branch/plain", False),
    (fastapi, "GET", "/inner/items/5", "/inner/items/{item}", False),
    (fastapi, "GET", "/inner/nowhere/5", "/inner", True),
    (fastapi, "GET", "/inner/docs", "/inner/docs", False),
    (fastapi, "GET", "/openapi.json", "/openapi.json", False),
    (fastapi, "GET", "/nowhere", "unmatched", True),
    (fastapi, "GET", "/fail", "/fail", True),
]


@pytest.mark.parametrize(("make", "method", "path", "endpoint", "failed"), CASES)
def test_the_endpoint_is_the_template(
    metrics: RedisMetricsService, make: Callable[[], Starlette], method: str, path: str, endpoint: str, failed: bool
) -> None:
    """The label is the template of the route, with all that it is mounted under, and never what the client wrote."""
    lines: list[Line] = []
    app = make()
    app.add_middleware(RequestMeter, metrics=metrics, on_answer=lambda *line: lines.append(line))
    TestClient(app, raise_server_exceptions=False, follow_redirects=False).request(method, path)
    assert lines == [(endpoint, method, failed)]


class Told:
    """Says in a header which route was taken: what the application knows, and the meter must find out."""

    def __init__(self, app: ASGIApp, template: str) -> None:
        self._app, self._template = app, template

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-template", self._template.encode()))
            await send(message)

        await self._app(scope, receive, tell)


# A path, or what is mounted under one. Values of requests read like pieces of paths, and names like both.
PATHS = st.lists(st.sampled_from(["/t", "/u", "/{t}", "/{u}", "/{v}"]), min_size=1, max_size=3, unique=True)
NODES = st.recursive(
    PATHS.map("".join), lambda nodes: st.tuples(PATHS.map("".join), st.lists(nodes, min_size=1, max_size=3))
)
TREES = st.lists(NODES, min_size=1, max_size=4)
REQUESTS = st.lists(st.lists(st.sampled_from("tuv"), min_size=1, max_size=6).map("/".join), min_size=1, max_size=8)


def routes_of(nodes: list[Any], prefix: str = "") -> list[BaseRoute]:
    """Routes and mounts; all routes share one function."""
    made: list[BaseRoute] = []
    for node in nodes:
        if isinstance(node, str):
            made.append(Route(node, answer, middleware=[Middleware(Told, template=prefix + node)]))
        else:
            made.append(Mount(node[0], routes=routes_of(node[1], prefix + node[0])))
    return made


def fill(router: APIRouter | FastAPI, nodes: list[Any], prefix: str = "") -> None:
    """Routes of FastAPI and of Starlette; routers of one or three nodes are included if they may be, others mounted."""
    for node in nodes:
        if isinstance(node, str):
            router.add_api_route(node, teller(prefix + node), response_class=PlainTextResponse)
            router.add_route(f"{node}/plain", teller(f"{prefix}{node}/plain"))
        elif len(node[1]) % 2 and not re.search(r"({\w}).*\1", str(node)):  # one path takes a name once
            inner = APIRouter()
            fill(inner, node[1], prefix + node[0])
            router.include_router(inner, prefix=node[0])
        else:
            app = FastAPI(openapi_url=None)
            fill(app, node[1], prefix + node[0])
            router.mount(node[0], app)


def teller(template: str) -> Callable[[Request], PlainTextResponse]:
    def tell(request: Request) -> PlainTextResponse:
        return PlainTextResponse("here", headers={"x-template": template})

    return tell


def starlette_app(nodes: list[Any]) -> Starlette:
    return Starlette(routes=routes_of(nodes))


def fastapi_app(nodes: list[Any]) -> Starlette:
    app = FastAPI(openapi_url=None)
    fill(app, nodes)
    return app


@pytest.mark.parametrize("make", [starlette_app, fastapi_app])
@given(nodes=TREES, paths=REQUESTS, wrapped=st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_label_is_the_route_that_answered(
    metrics: RedisMetricsService, make: Callable[[list[Any]], Starlette], nodes: Any, paths: list[str], wrapped: bool
) -> None:
    """Whatever the values are, whatever else would match, and whether the meter is inside the application or around."""
    lines: list[Line] = []
    app: ASGIApp = make(nodes)
    if wrapped:
        app = RequestMeter(app, metrics=metrics, on_answer=lambda *line: lines.append(line))
    else:
        cast("Starlette", app).add_middleware(RequestMeter, metrics=metrics, on_answer=lambda *line: lines.append(line))
    client = TestClient(app, follow_redirects=False)
    for path in (*paths, *(f"{path}/plain" for path in paths)):
        answered = client.get(f"/{path}")
        (endpoint, _, failed) = lines.pop()
        if answered.status_code == 200:
            assert (endpoint, failed) == (answered.headers["x-template"], False)
        else:
            assert endpoint == "unmatched" or endpoint in mounts(nodes)


def mounts(nodes: list[Any], prefix: str = "") -> set[str]:
    """The templates of all that is mounted or included."""
    inner = [(prefix + node[0], node[1]) for node in nodes if not isinstance(node, str)]
    return {path for path, _ in inner}.union(*(mounts(below, path) for path, below in inner))


def test_a_root_path_is_no_mount(metrics: RedisMetricsService) -> None:
    """An application that knows its prefix, with the meter around it: what it does not find matches nothing."""
    lines: list[Line] = []
    app = fastapi()
    app.root_path = "/prefix"
    client = TestClient(RequestMeter(app, metrics, on_answer=lambda *line: lines.append(line)))
    for path in ("/nowhere", "/prefix/nowhere", "/items/5", "/prefix/items/5", "/prefix/inner/items/5"):
        client.get(path)
    assert [endpoint for endpoint, *_ in lines] == ["unmatched"] * 2 + ["/items/{item}"] * 2 + ["/inner/items/{item}"]


def test_unknown_methods_share_a_label(metrics: RedisMetricsService) -> None:
    """A method of the client's invention makes no series of its own."""
    lines: list[Line] = []
    app = starlette()
    app.add_middleware(RequestMeter, metrics=metrics, on_answer=lambda *line: lines.append(line))
    for method in ("BREW", "PROPFIND", "X" * 500):
        TestClient(app).request(method, "/plain")
    assert lines == [("/plain", "OTHER", True)] * 3


def test_requests_become_series(metrics: RedisMetricsService, written: Callable[[str], Any]) -> None:
    """Requests are in the histogram, failures in the counter as well, and excluded templates in neither."""
    app = starlette()
    app.add_middleware(RequestMeter, metrics=metrics, exclude=["/plain"], known=[("/shop/", "GET")])
    client = TestClient(app, raise_server_exceptions=False)
    for path in ("/items/1", "/items/2", "/fail", "/plain"):
        client.get(path)
    took = written("histogram:api_request_duration_ms:endpoint=/items/{item},method=GET")
    assert took["count"] == 2
    assert 0 < took["sum"] < 5000
    assert written("counter:api_errors:endpoint=/items/{item}")["value"] == 0
    assert written("counter:api_errors:endpoint=/fail")["value"] == 1
    assert written("histogram:api_request_duration_ms:endpoint=/shop/,method=GET")["count"] == 0
    assert written("counter:api_errors:endpoint=/plain") is None


def test_exceptions_go_on_their_way(metrics: RedisMetricsService) -> None:
    """An exception is recorded as a failure, and raised on."""
    lines: list[Line] = []
    app = starlette()
    app.add_middleware(RequestMeter, metrics=metrics, on_answer=lambda *line: lines.append(line))
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        TestClient(app).get("/fail")
    assert lines == [("/fail", "GET", True)]


START: Message = {"type": "http.response.start", "status": 200, "headers": []}
SIZED: Message = {**START, "headers": [(b"Content-Length", b"4")]}
PART: Message = {"type": "http.response.body", "body": b"ab", "more_body": True}
LAST: Message = {"type": "http.response.body", "body": b""}


@pytest.mark.parametrize(
    ("method", "messages", "completing"),
    [
        ("GET", [START, {"type": "http.response.body", "body": b"abcd"}], 1),
        ("GET", [START, PART, PART, LAST], 3),
        ("GET", [SIZED, PART, PART, LAST], 2),
        ("HEAD", [SIZED, LAST], 0),
        ("GET", [{**START, "status": 204}, LAST], 0),
        ("GET", [{**START, "headers": [(b"content-length", b"0")]}, LAST], 0),
        ("GET", [START, {"type": "http.response.pathsend", "path": "/x"}], 1),
    ],
)
def test_recorded_before_the_client_has_it(
    metrics: RedisMetricsService, method: str, messages: list[Message], completing: int
) -> None:
    """By the time the message that completes the answer is sent, and no earlier, the request is recorded, once."""
    recorded: list[Line] = []
    seen_when_sent: list[int] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    async def send(_: Message) -> None:
        seen_when_sent.append(len(recorded))

    meter = RequestMeter(app, metrics, on_answer=lambda *line: recorded.append(line))
    asyncio.run(_ask(meter, send, method))
    assert seen_when_sent == [int(number >= completing) for number in range(len(messages))]
    assert recorded == [("unmatched", method, False)]


@pytest.mark.parametrize("messages", [[], [START], [START, PART]])
def test_half_an_answer_is_a_failure(metrics: RedisMetricsService, messages: list[Message]) -> None:
    """An answer that breaks off, or never comes, has failed, whatever its status said."""
    recorded: list[Line] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        raise ConnectionError

    async def send(_: Message) -> None:
        return None

    with pytest.raises(ConnectionError):
        asyncio.run(_ask(RequestMeter(app, metrics, on_answer=lambda *line: recorded.append(line)), send))
    assert recorded == [("unmatched", "GET", True)]


def test_only_http_is_metered(metrics: RedisMetricsService) -> None:
    """Other protocols pass untouched."""
    recorded: list[Line] = []
    seen: list[str] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        seen.append(scope["type"])

    meter = RequestMeter(app, metrics, on_answer=lambda *line: recorded.append(line))
    for protocol in ("websocket", "lifespan"):
        asyncio.run(_ask(meter, _nowhere, protocol=protocol))
    assert seen == ["websocket", "lifespan"]
    assert recorded == []


async def _ask(meter: RequestMeter, send: Send, method: str = "GET", protocol: str = "http") -> None:
    await meter({"type": protocol, "method": method, "path": "/"}, _silence, send)


async def _silence() -> Message:
    return {"type": "http.disconnect"}


async def _nowhere(_: Message) -> None:
    return None
