"""Threads and event loops share a service; neither waits for Redis."""

import json
import re

import redis

from harness.process import wait_until
from harness.redis_server import RedisServer
from tests.processes.conftest import Start
from tests.writer.test_service import value


def test_not_one_record_of_a_thread_is_missing(start: Start, redis_client: redis.Redis) -> None:
    """Eight threads record while the service flushes, four of them in an executor, some after the last line."""
    start("threads.py").ended()
    assert value(redis_client, "metrics:counter:events") == 160_000
    assert [value(redis_client, f"metrics:counter:seen:thread={n}") for n in (0, 1)] == [80_000, 80_000]
    took = json.loads(redis_client.get("metrics:histogram:took") or "")
    assert (took["counts"], took["count"], took["sum"]) == ([80_000, 40_000, 40_000], 160_000, 240_000)


def test_the_event_loop_is_never_blocked(start: Start, own_server: RedisServer) -> None:
    """Its heart beats on while Redis hangs, and while it is away; all that its tasks recorded arrives."""
    program = start("event_loop.py", url=own_server.url)
    program.wait_for("recording")
    wait_until(lambda: value(own_server.client, "metrics:counter:events:task=t0"), "the first flush")
    own_server.pause()
    program.wait_for("Recording continues")
    own_server.kill()
    own_server.start()
    wait_until(lambda: own_server.client.info("commandstats").get("cmdstat_evalsha"), "the flush after the restart")
    program.tell_to_end()
    said = re.search(r"recorded=(\d+) gap=([\d.]+)", program.ended())
    assert said
    total = sum(value(own_server.client, f"metrics:counter:events:task=t{n}") for n in range(10))
    assert total == int(said[1])
    # A loop that waited for a hanging server would stand still for the two seconds until the writer gives up.
    assert float(said[2]) < 1
