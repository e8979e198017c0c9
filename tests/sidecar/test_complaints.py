"""What clients can make the sidecar say."""

import logging
import socket
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from harness.redis_server import RedisServer
from harness.sidecar_process import SidecarProcess
from labkit.sidecar.complaints import EVERY, OncePerMinute
from labkit.sidecar.serving import Limits, server

GET, HEAD = b"GET /metrics HTTP/1.1\r\nHost: a\r\n", b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n"
GARBAGE = {
    "a line": b"gar\r\n\r\n" * 100,
    "behind requests": (GET + b"\r\n") * 3 + b"\0gar bage\r\n\r\n" * 50,
    "a broken chunk": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + GET,
    "a chunk that breaks a page": GET + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n",
    "many broken requests": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n") * 50,
    "no host": b"GET / HTTP/1.1\r\n\r\n" * 50,
    "an upgrade": (HEAD + b"Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n") * 20,
    "other letters": b"GET /%ff?name[]=%ff HTTP/1.1\r\nHost: \xff\r\nAccept: \xff;q=nan\r\n\r\n",
    "half a body": HEAD + b"Content-Length: 5\r\n\r\nxx",
    "a tunnel": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n" * 3,
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_not_worth_a_line(own_server: RedisServer, tmp_path: Path, garbage: bytes) -> None:
    """Whatever stands behind, between or inside requests: the log stays as it was, and others are served."""
    with SidecarProcess(own_server.url, tmp_path) as sidecar:
        httpx.get(f"{sidecar.url}/metrics", trust_env=False)
        said = sidecar.log
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", sidecar.port), timeout=10) as client:
                exchange(client, garbage)
        assert httpx.get(f"{sidecar.url}/-/healthy", trust_env=False).status_code == 200
        assert sidecar.log == said


def exchange(client: socket.socket, garbage: bytes) -> None:
    """Send it, and take what comes until the end."""
    try:
        client.sendall(garbage)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
    except (ConnectionResetError, BrokenPipeError):
        return


def test_a_kind_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """With how many there were meanwhile; another kind is not held back by the first."""
    logger = logging.getLogger("labkit.test_complaints")
    said = OncePerMinute()
    for seconds, text in ((0, "a"), (1, "a"), (2, "b"), (3, "a\nx"), (EVERY, "a"), (EVERY + 1, "a")):
        record = logger.makeRecord(logger.name, logging.ERROR, "", 0, text, (), None)
        record.created = seconds
        if said.filter(record):
            logger.handle(record)
    assert caplog.messages == ["a", "b", "a (2 more like this one since the last)"]


def test_many_kinds_take_no_memory() -> None:
    """Beyond a hundred they count as one."""
    logger, said = logging.getLogger("labkit.test_complaints"), OncePerMinute()
    records = [logger.makeRecord(logger.name, logging.ERROR, "", 0, f"kind {n}", (), None) for n in range(10_000)]
    assert sum(said.filter(record) for record in records) == 101


def test_the_server_and_the_loop_are_bounded() -> None:
    """Their complaints are about clients, who can cause as many as they like."""
    server(Starlette(), Limits())
    for name in ("uvicorn.error", "asyncio"):
        assert [each for each in logging.getLogger(name).filters if isinstance(each, OncePerMinute)]
