"""The request meter, on applications of every make."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route
from starlette.types import Message, Receive, Scope, Send

from labkit import RedisMetricsService
from labkit.store.middleware import RequestMeter

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
