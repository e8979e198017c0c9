"""What reaches a Prometheus that is asked every second: no request too many, and none without its credentials."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from requests.auth import _basic_auth_str

from labkit.errors import QueryError
from labkit.notebook.live.client import LiveClient
from labkit.prometheus.metadata import Metadata
from labkit.prometheus.query import Prometheus
from tests.notebook.live.conftest import START
from tests.prometheus.prometheus_server import PrometheusServer

RANGE = ("seen", START, START + 60, 5)


class Guard(BaseHTTPRequestHandler):
    """A gate before a Prometheus: lets in whoever has the password, and leads on whoever comes by another path."""

    seen: list[int]
    server_url: str

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != _basic_auth_str("me", "s p@ce"):
            return self._say(401, b"Unauthorized")
        if self.path.startswith("/moved"):
            return self._say(302, b"", self.path.removeprefix("/moved"))
        return self._say(200, httpx.get(f"{self.server_url}{self.path}", trust_env=False).content)

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.path = f"{self.path}?{form}"
        self.do_GET()

    def _say(self, status: int, body: bytes, location: str = "") -> None:
        self.seen.append(status)
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def guard(server: PrometheusServer) -> Iterator[str]:
    """Where the gate is; `Guard.seen` has the status of each answer."""
    Guard.seen, Guard.server_url = [], server.url
    with ThreadingHTTPServer(("127.0.0.1", 0), Guard) as gate:
        thread = Thread(target=gate.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{gate.server_port}"
        gate.shutdown()
        thread.join()


def test_credentials_go_with_the_first_request(guard: str) -> None:
    """Once each, from a live figure, a query and the completion: nobody is asked without, and asked again with."""
    url = f"http://me:s%20p%40ce@{guard}"
    client = LiveClient(lambda: Prometheus(url))
    assert [len(client.range(*RANGE)["data"]["result"]) for _ in range(3)] == [3, 3, 3]
    assert Guard.seen == [200] * 3
    assert len(Prometheus(url).query("1")) == 1
    assert Metadata(url, timeout=5).metrics() != []
    assert Guard.seen == [200] * 5


def test_wrong_credentials_are_not_sent_every_second(guard: str) -> None:
    """One try, and then a pause with the same words: many servers lock out who goes on."""
    client = LiveClient(lambda: Prometheus(f"http://me:wrong@{guard}"))
    for _ in range(5):
        with pytest.raises(QueryError, match=r"wants other credentials \(401 Unauthorized\)") as error:
            client.range(*RANGE)
        assert "wrong" not in str(error.value)
    assert Guard.seen == [401]


def test_a_server_that_moved_is_followed(guard: str) -> None:
    """With the credentials, and without a second question."""
    client = LiveClient(lambda: Prometheus(f"http://me:s%20p%40ce@{guard}/moved"))
    assert len(client.range(*RANGE)["data"]["result"]) == 3
    assert Guard.seen == [302, 200]


def test_a_refused_query_is_asked_once(guard: str) -> None:
    """What is wrong with it is known from the first answer."""
    client = LiveClient(lambda: Prometheus(f"http://me:s%20p%40ce@{guard}"))
    with pytest.raises(QueryError, match="parse error"):
        client.range("rate(", *RANGE[1:])
    assert len(Guard.seen) == 1
