"""The store and Locust from outside: what answers instead of them is named, whatever it says."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from labkit.errors import LabkitError
from labkit.store import client
from labkit.traffic.client import LocustClient

ANSWERS = [
    (200, "[" * 100_000),
    (200, "<html>"),
    (200, "[]"),
    (200, "null"),
    (500, "<html>"),
    (422, "[1]"),
    (409, "{}"),
]


@pytest.fixture(params=ANSWERS, ids=lambda answer: f"{answer[0]} {answer[1][:6]}")
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that says the same to everybody."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(request.param[0])
            self.end_headers()
            self.wfile.write(request.param[1].encode())

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def log_message(self, *_: object) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_any_answer_is_one_clear_message(url: str) -> None:
    """No answer of another server's, however odd, ends in anything but labkit's own error, with the address."""
    asks: list[Callable[[], object]] = [
        lambda: client.status(url),
        lambda: client.simulate(url),
        LocustClient(url).stats,
    ]
    for ask in asks:
        with pytest.raises(LabkitError, match=url):
            ask()
