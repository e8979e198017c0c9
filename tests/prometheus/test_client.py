"""One clear message when Prometheus refuses, is late, is away, or is something else."""

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from time import monotonic

import pytest

from harness.process import free_port
from labkit.errors import QueryError
from labkit.notebook.live.client import LiveClient
from labkit.notebook.live.history import History
from labkit.prometheus.metadata import Metadata
from labkit.prometheus.query import Prometheus
from tests.prometheus.known_history import START
from tests.prometheus.prometheus_server import PrometheusServer


@pytest.mark.parametrize(
    ("promql", "message"),
    [
        ("sum(events) by", "1:15: parse error: unexpected end of input"),
        (
            "sum(events) users",
            '1:13: parse error: unexpected identifier "users"\n    sum(events) users\n                ^',
        ),
        ("sum(\nevents}", "2:7: parse error: unexpected character: '}'\n    sum(\n    events}\n          ^"),
        ('"äöü" users', 'unexpected identifier "users"\n    "äöü" users\n          ^'),
        ("", ": parse error: no expression found in input"),
        ("events + on() group_left() odd", "many-to-many matching not allowed"),
    ],
)
def test_a_wrong_query_shows_prometheus_own_words(prometheus: Prometheus, promql: str, message: str) -> None:
    """The message is Prometheus' own, with the place in the query."""
    with pytest.raises(QueryError, match="Prometheus refused the query: ") as error:
        prometheus.query(promql, at=START + 1)
    assert message in str(error.value)


def test_too_fine_a_step_is_refused(prometheus: Prometheus) -> None:
    """More than 11,000 points per series are an error, with Prometheus' advice."""
    with pytest.raises(QueryError, match="exceeded maximum resolution of 11,000 points"):
        prometheus.query_range("events", last="1d", step="1s")


@pytest.mark.parametrize("url", ["127.0.0.1:9090", "redis://127.0.0.1", "http://", "http://a:99999", "http://[", ""])
def test_a_url_that_cannot_be_one_is_refused_at_once(url: str) -> None:
    """The error shows what a URL looks like."""
    with pytest.raises(QueryError, match=r"not a valid Prometheus URL; one looks like 'http://127\.0\.0\.1:9090'"):
        Prometheus(url)


def test_no_prometheus_names_the_remedy() -> None:
    """If nothing answers, the message says so and how to start it, and never shows a password."""
    url = f"http://user:secret@127.0.0.1:{free_port()}"
    with pytest.raises(QueryError, match=r"Connection refused\)\. Start the lab with `labkit up`") as error:
        Prometheus(url).query("up")
    assert "secret" not in str(error.value) + repr(Prometheus(url))


def test_no_answer_in_time() -> None:
    """A server that takes the request and stays silent is given up on after `timeout`."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(QueryError, match=r"did not answer within 0\.3 s\. Ask for less"):
            Prometheus(url, timeout=0.3).query("up")


@pytest.mark.parametrize("timeout", [1e-6, 1e-4, 3e-4, 1e-3, 1e-2])
def test_prometheus_3_says_in_several_ways_that_it_took_too_long(newest: PrometheusServer, timeout: float) -> None:
    """As a timeout, as a failure and as a bad query, by how far it came: it is one message."""
    with pytest.raises(QueryError, match=r"did not answer within \S+ s\. Ask for less"):
        Prometheus(newest.url, timeout=timeout).query("sum_over_time(vector(1)[1h:1ms])")


def test_a_query_that_takes_too_long(server: PrometheusServer) -> None:
    """Prometheus is given the same timeout, and its own report of it becomes the same message."""
    started = monotonic()
    with pytest.raises(QueryError, match="did not answer within 1e-06 s"):
        Prometheus(server.url, timeout=1e-6).query("events")
    assert monotonic() - started < 1, "the client gave up, not Prometheus"


class _OtherServer(http.server.BaseHTTPRequestHandler):
    """Answers, but is not a Prometheus; below /starting, it is one that is not ready yet."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_error(503 if self.path.startswith("/starting") else 404)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def other_url() -> Iterator[str]:
    """The URL of something else that speaks HTTP."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _OtherServer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_something_else_answers(other_url: str) -> None:
    """A URL that leads elsewhere is named, with the answer it gave."""
    with pytest.raises(QueryError, match=r"not as Prometheus does \(404 Not Found\)\. Is it the right URL\?"):
        Prometheus(other_url).query("up")


ODD = [
    "[]",
    "null",
    "7",
    '"success"',
    "[" * 100_000,
    '{"status": "error"}',
    '{"status": "error", "errorType": "bad_data"}',
    '{"status": "error", "error": {"deep": 1}}',
    '{"status": "success"}',
    '{"status": "success", "data": []}',
    '{"status": "success", "data": {}}',
    '{"status": "success", "data": {"resultType": "vector", "result": 7}}',
    '{"status": "success", "data": {"resultType": "vector", "result": [7]}}',
    '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": [], "value": [1, "1"]}]}}',
    '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1]}]}}',
    '{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [["x", "y"]]}]}}',
    '{"status": "success", "data": {"resultType": "string", "result": [1]}}',
    '{"status": "success", "data": {"activeTargets": [{}], "resultType": "scalar", "result": [1e999, "1"]}}',
]


@pytest.fixture
def odd_url(monkeypatch: pytest.MonkeyPatch, other_url: str, request: pytest.FixtureRequest) -> str:
    """The URL of a server that answers everything with one text."""

    def answer(handler: _OtherServer) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(request.param.encode())

    monkeypatch.setattr(_OtherServer, "do_GET", answer)
    monkeypatch.setattr(_OtherServer, "do_POST", answer, raising=False)
    return other_url


@pytest.mark.parametrize("odd_url", ODD, indirect=True)
def test_an_answer_of_any_form_is_one_clear_error(odd_url: str) -> None:
    """Without its parts, with others, or too deep to be read: whoever asks."""
    prometheus = Prometheus(odd_url)
    asks: list[Callable[[], object]] = [lambda: prometheus.query("up"), lambda: prometheus.query_range("up")]
    history = History("up", 1000, 10_000)
    asks += [lambda: prometheus.scrape_interval("x"), lambda: LiveClient(lambda: prometheus).update(history, 10)]
    for ask in asks:
        with pytest.raises(QueryError, match=r"as Prometheus does|what Prometheus answers|refused the query"):
            ask()
    assert Metadata(odd_url).metrics() == []


@pytest.mark.parametrize("odd_url", ['{"status": "error", "error": "9:9: parse error: x"}'], indirect=True)
def test_a_place_that_is_not_in_the_query_is_not_pointed_at(odd_url: str) -> None:
    """The message is shown as it is."""
    with pytest.raises(QueryError, match=r"refused the query: 9:9: parse error: x\n    up$"):
        Prometheus(odd_url).query("up")


def test_a_prometheus_that_is_not_ready_is_asked_once(other_url: str) -> None:
    """A 503 is reported at once; the client's hidden retries would take six seconds."""
    before, started = _OtherServer.asked, monotonic()
    with pytest.raises(QueryError, match="is starting or stopping"):
        Prometheus(f"{other_url}/starting/").query("up")
    assert _OtherServer.asked == before + 1
    assert monotonic() - started < 1


def test_a_proxy_for_the_internet_is_not_asked_for_this_machine(
    prometheus: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loopback addresses are reached directly whatever the environment says about proxies."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert len(prometheus.query("1")) == 1
