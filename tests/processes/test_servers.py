"""Web servers with several processes: every request that was answered is counted, once."""

import signal
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
import redis

from harness.process import free_port, listens, wait_until
from tests.processes.conftest import Start
from tests.writer.test_service import value

REQUESTS = 400
GUNICORN = ("-m", "gunicorn", "--no-control-socket", "--workers", "4", "wsgi:app")
UVICORN = ("-m", "uvicorn", "--log-level", "warning", "asgi:app")
# The server itself; Python runs the script that starts it.
UWSGI = str(Path(sys.executable).with_name("uwsgi"))
MASTER = ("--master", "--processes", "2", "--die-on-term", "--wsgi-file", "wsgi.py", "--callable", "app")
# On Python 3.13, uWSGI 2.0.30 answers nobody with that option, whatever the application.
OSAFTERFORK = ("--threads", "2", *(("--py-call-osafterfork",) if sys.version_info < (3, 13) else ()))


def ask(url: str) -> Counter[str]:
    """Send the requests, eight at a time, each over its own connection; return how many each process answered."""
    with ThreadPoolExecutor(8) as executor, _client() as client:
        return Counter(executor.map(partial(answer, client), [url] * REQUESTS))


def _client() -> httpx.Client:
    return httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), timeout=60)


def answer(client: httpx.Client, url: str) -> str:
    """Ask until there is an answer: uWSGI closes some connections before the application sees anything of them."""
    while True:
        try:
            return client.get(url).raise_for_status().text
        except httpx.RemoteProtocolError:
            continue


@pytest.mark.parametrize("options", [(), ("--preload", "--threads", "4"), ("--max-requests", "100")], ids=" ".join)
def test_gunicorn(start: Start, redis_client: redis.Redis, options: tuple[str, ...]) -> None:
    """Four workers: with the service made in each; before the fork, and used by threads; replaced while running."""
    port = free_port()
    program = start(*GUNICORN, "--bind", f"127.0.0.1:{port}", *options)
    wait_until(lambda: listens(port), "gunicorn listening")
    processes = ask(f"http://127.0.0.1:{port}/")
    program.send(signal.SIGTERM)
    program.ended()
    assert value(redis_client, "metrics:counter:answered") == REQUESTS
    assert len(processes) > 1


@pytest.mark.parametrize("workers", [1, 2])
def test_uvicorn(start: Start, redis_client: redis.Redis, workers: int) -> None:
    """One process or two, ended by SIGTERM: closing in the lifespan loses nothing."""
    port = free_port()
    program = start(*UVICORN, "--port", str(port), "--workers", str(workers))
    wait_until(lambda: listens(port), "uvicorn listening")
    processes = ask(f"http://127.0.0.1:{port}/")
    # One of them may still have been starting.
    while len(processes) < workers:
        processes += ask(f"http://127.0.0.1:{port}/")
    program.send(signal.SIGTERM)
    program.ended(0 if workers > 1 else -signal.SIGTERM)
    assert value(redis_client, "metrics:counter:answered") == processes.total()


@pytest.mark.parametrize(
    "options", [("--enable-threads",), ("--enable-threads", "--lazy-apps"), OSAFTERFORK, ()], ids=" ".join
)
def test_uwsgi(start: Start, redis_client: redis.Redis, options: tuple[str, ...]) -> None:
    """It forks in C, after the service was made or, with --lazy-apps, before; and it ends when it is told to."""
    port = free_port()
    program = start(UWSGI, *MASTER, "--http-socket", f"127.0.0.1:{port}", *options)
    wait_until(lambda: listens(port), "uWSGI listening")
    ask(f"http://127.0.0.1:{port}/")
    program.send(signal.SIGTERM)
    output = program.ended()
    assert value(redis_client, "metrics:counter:answered") == REQUESTS
    assert ("start it with --enable-threads" in output) == (options == ())
