"""Whether an absent server is back: found out soon, with few questions, and by what it says."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import cast

import pytest
import redis

from harness.process import wait_until
from harness.redis_server import RedisServer
from labkit.keyspace.connection import endpoint, take_apart
from labkit.writer.probe import QUESTIONS, Probe, questioner
from tests.redis_server import SERVERS, start_server
from tests.writer.fault_proxy import FaultProxy


@pytest.fixture
def probe(own_server: RedisServer) -> Iterator[Probe]:
    """Asks a server that the test may break."""
    client = questioner(endpoint(own_server.url))
    yield Probe(client)
    take_apart(client)


def pings(server: RedisServer) -> int:
    stats = cast(dict[str, dict[str, int]], server.client.info("commandstats"))
    return stats["cmdstat_ping"]["calls"]


def stays_away(probe: Probe, questions: int) -> None:
    """Ask so many times, and hear nothing."""
    for _ in range(questions):
        before = probe.asks_at
        while probe.asks_at == before:
            assert not probe.is_answered()
            time.sleep(0.01)
        assert probe.asks_at - before >= 0.5
        assert probe.asks_at - time.monotonic() <= 1


def comes_back(probe: Probe) -> None:
    wait_until(probe.is_answered, "An answer")


def test_a_paused_server_finds_few_questions_when_it_goes_on(probe: Probe, own_server: RedisServer) -> None:
    """It is asked about once a second, over one connection after the other, and answers as soon as it can."""
    before = pings(own_server)
    own_server.pause()
    try:
        stays_away(probe, QUESTIONS + 1)
    finally:
        own_server.resume()
    comes_back(probe)
    assert pings(own_server) - before <= QUESTIONS + 2


def test_a_killed_server_is_back_when_it_was_started(probe: Probe, own_server: RedisServer) -> None:
    """Whether it refuses connections, or ends one on which it was asked."""
    own_server.pause()
    stays_away(probe, 1)
    own_server.kill()
    stays_away(probe, 2)
    own_server.start()
    comes_back(probe)


def test_a_way_that_leads_nowhere_is_left(probe: Probe, own_server: RedisServer, tmp_path: Path) -> None:
    """A connection may stay open although nothing on it arrives any more: a new one reaches the server."""
    other = start_server(SERVERS[0], tmp_path)
    proxy = FaultProxy(own_server.port)
    client = questioner(endpoint(proxy.url))
    own_server.pause()
    try:
        lost = Probe(client)
        stays_away(lost, 1)
        proxy.target = other.port
        comes_back(lost)
    finally:
        own_server.resume()
        take_apart(client)
        proxy.close()
        other.close()


def test_a_server_that_serves_nobody_yet_is_still_away(probe: Probe, own_server: RedisServer) -> None:
    """It answers BUSY while a script runs, as it answers LOADING at its start."""
    own_server.client.config_set("busy-reply-threshold", 1)
    script = Thread(target=_run_for_ever, args=(own_server.url,), daemon=True)
    script.start()
    wait_until(lambda: _is_busy(own_server), "The script's start")
    stays_away(probe, 2)
    own_server.client.script_kill()
    comes_back(probe)
    script.join(60)


def _run_for_ever(url: str) -> None:
    with redis.Redis.from_url(url) as client, pytest.raises(redis.ResponseError, match="killed"):
        client.eval("while true do end", 0)


def _is_busy(server: RedisServer) -> bool:
    try:
        return not server.client.ping()
    except redis.ResponseError:
        return True


def test_a_server_that_asks_for_a_password_is_there(probe: Probe, own_server: RedisServer) -> None:
    """The question bears no name, so that a paused server finds one command and not five."""
    own_server.client.config_set("requirepass", "a secret of the test")
    comes_back(probe)
    own_server.client.execute_command("AUTH", "a secret of the test")
    own_server.client.config_set("requirepass", "")
