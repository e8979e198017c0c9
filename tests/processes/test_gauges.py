"""Gauges across processes: last, sum, min and max of the living."""

import signal

import redis

from harness.process import wait_until
from tests.processes.conftest import Start
from tests.writer.test_service import value


def held(client: redis.Redis) -> dict[str, float]:
    return {shared: value(client, f"metrics:gauge:g_{shared}") for shared in ("last", "sum", "min", "max")}


def test_a_killed_process_stops_counting_when_its_lease_ends(start: Start, redis_client: redis.Redis) -> None:
    """Until then it counts; after that, sum, min and max are those of the living, and last stays as it was set."""
    programs = {}
    for n in (5, 1, 100):
        programs[n] = start("gauges.py", str(n))
        programs[n].wait_for("held")
    assert held(redis_client) == {"last": 100, "sum": 106, "min": 1, "max": 100}
    for n in (1, 100):
        programs[n].send(signal.SIGKILL)
        programs[n].ended(-signal.SIGKILL)
    assert held(redis_client) == {"last": 100, "sum": 106, "min": 1, "max": 100}
    wait_until(lambda: held(redis_client) == {"last": 100, "sum": 5, "min": 5, "max": 5}, "the end of both leases")
    programs[5].tell_to_end()
    programs[5].ended()
