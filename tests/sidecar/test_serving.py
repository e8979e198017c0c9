"""What slow, many and hostile clients can take from the sidecar, with limits that a test can wait for."""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import httpx
import pytest
import uvicorn

from harness.process import wait_until
from harness.redis_server import RedisServer
from labkit import RedisMetricsService
from labkit.sidecar.exporter import CHUNK, create_app
from labkit.sidecar.serving import Limits, TlsContext, server
from labkit.web.listening import listen

# Far more than the kernel takes from a server for a client that does not read.
BIG = 16_000_000
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=10)


@contextmanager
def serving(redis_url: str, limits: Limits, tls: TlsContext | None = None) -> Iterator[tuple[int, uvicorn.Server]]:
    """The sidecar in a thread, with limits that a test can wait for."""
    running = server(create_app(redis_url), limits, tls)
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
    thread.start()
    try:
        wait_until(lambda: running.started, "the server's start")
        yield port, running
    finally:
        running.should_exit = True
        thread.join(10)


def closed_after(client: socket.socket) -> float:
    """Read until the server ends the connection; return how long that took, s."""
    started = monotonic()
    client.settimeout(10)
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return monotonic() - started


def test_who_does_not_say_what_they_want_is_cut_off(own_server: RedisServer) -> None:
    """Silent, or a byte at a time: after `head_time` the connection is gone."""
    with serving(own_server.url, Limits(head_time=0.5)) as (port, _):
        with socket.create_connection(("127.0.0.1", port)) as silent:
            assert closed_after(silent) < 3
        with socket.create_connection(("127.0.0.1", port)) as dripping:
            started, sent = monotonic(), 0
            with pytest.raises(OSError, match=r"reset|Broken pipe"):
                while monotonic() - started < 5:
                    dripping.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: aaaaaaaaaa"[sent : sent + 1] or b"a")
                    sent += 1
                    threading.Event().wait(0.05)
            assert sent > 5


def test_who_does_not_finish_the_handshake_is_cut_off(own_server: RedisServer) -> None:
    """With TLS, silence is no better: after `tls_time` the connection is gone."""
    tls = TlsContext.of(lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    with (
        serving(own_server.url, Limits(tls_time=0.5), tls) as (port, _),
        socket.create_connection(("127.0.0.1", port)) as silent,
    ):
        assert 0.3 < closed_after(silent) < 3


def test_who_does_not_take_the_answer_holds_nobody(own_server: RedisServer) -> None:
    """They cost a piece of the page each, and after `send_time` they are gone; others are served, and stay."""
    with RedisMetricsService(own_server.url) as metrics:
        big = metrics.gauge("big", "Help.", ["text"])
        for i in range(BIG // 8000):
            big.labels(text=f"{i:08000}").set(1)
        metrics.flush()
    with serving(own_server.url, Limits(send_time=2)) as (port, running):
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        for client in clients:
            client.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(15) == b"HTTP/1.1 200 OK"
        other = http.client.HTTPConnection("127.0.0.1", port)
        other.request("GET", "/metrics")
        assert len(other.getresponse().read()) > BIG
        taken = monotonic()
        held = [connection.transport.get_write_buffer_size() for connection in running.server_state.connections]
        assert 0 < max(held) <= CHUNK
        assert len(running.server_state.tasks) == 3
        wait_until(lambda: not running.server_state.tasks, "the end of those who do not read", timeout=5)
        wait_until(lambda: monotonic() > taken + 2, "the time after which it would be gone, too")
        used = other.sock
        other.request("GET", "/-/healthy")
        assert other.getresponse().read()
        assert other.sock is used
        other.close()
        assert all(closed_after(client) < 1 for client in clients)
        for client in clients:
            client.close()


def test_a_client_that_asks_on_and_reads_nothing_is_cut_off(own_server: RedisServer) -> None:
    """When its answers have filled all that lies between, it has `send_time`, whatever else it asks for."""
    with serving(own_server.url, Limits(send_time=1)) as (port, running), socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.settimeout(30)
        client.connect(("127.0.0.1", port))
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            while True:
                client.send(REQUEST)
        wait_until(lambda: not running.server_state.connections, "the end of the connection")


def test_a_connection_in_use_is_kept(own_server: RedisServer) -> None:
    """The limits of one request do not add up over many."""
    with serving(own_server.url, Limits(head_time=0.3, send_time=0.3)) as (port, _):
        client = http.client.HTTPConnection("127.0.0.1", port)
        client.connect()
        used = client.sock
        for _ in range(4):
            client.request("GET", "/metrics")
            assert client.getresponse().read()
            threading.Event().wait(0.2)
        assert client.sock is used
        client.close()


def test_too_many_connections_are_turned_away(own_server: RedisServer) -> None:
    """First with 503, then without an answer; a client that leaves makes room."""
    with serving(own_server.url, Limits(connections=4)) as (port, running):
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
        wait_until(lambda: len(running.server_state.connections) == 4, "four connections")
        assert get(f"http://127.0.0.1:{port}/-/healthy").status_code == 503
        idle += [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
        with socket.create_connection(("127.0.0.1", port)) as ninth:
            assert closed_after(ninth) < 1
        for client in idle:
            client.close()
        wait_until(lambda: not running.server_state.connections, "place")
        assert get(f"http://127.0.0.1:{port}/-/healthy").status_code == 200


def test_too_many_handshakes_are_turned_away(own_server: RedisServer) -> None:
    """Before its handshake a connection is known to nobody, and takes a file from everybody all the same."""
    tls = TlsContext.of(lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    with serving(own_server.url, Limits(connections=2, tls_time=60), tls) as (port, _):
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
        with socket.create_connection(("127.0.0.1", port)) as fifth:
            assert closed_after(fifth) < 5
        for client in silent:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(1)
            client.close()


def test_what_is_too_large_or_no_http_is_refused(own_server: RedisServer) -> None:
    """Heads are bounded, bodies are not read, and the server keeps running."""
    with serving(own_server.url, Limits()) as (port, _):
        for request in (b"GET /" + b"a" * 20_000, b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000, b"\x16\x03\x01\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(request)
                assert client.recv(12) == b"HTTP/1.1 400"
        posted = httpx.post(f"http://127.0.0.1:{port}/metrics", content=b"a" * 100_000, trust_env=False)
        assert posted.status_code == 405
        assert get(f"http://127.0.0.1:{port}/metrics").status_code == 200
