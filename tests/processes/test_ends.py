"""However a program ends, what it recorded last is in Redis; and it ends soon, even when Redis is away."""

import signal

import pytest
import redis

from harness.process import free_port
from harness.redis_server import RedisServer
from tests.processes.conftest import Start
from tests.writer.test_service import value

EVENTS = "metrics:counter:events"


@pytest.mark.parametrize(("end", "code"), [("return", 0), ("sys.exit", 3), ("exception", 1)])
def test_a_short_program_is_flushed_at_its_end(start: Start, redis_client: redis.Redis, end: str, code: int) -> None:
    """It ends before the first interval, normally, by SystemExit or by an exception, and loses nothing."""
    output = start("ends.py", end).ended(code)
    assert value(redis_client, EVENTS) == 3
    assert ("nobody handles this" in output) == (end == "exception")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_a_signal_with_a_handler_ends_it_normally(
    start: Start, redis_client: redis.Redis, number: signal.Signals, code: int
) -> None:
    """SIGTERM with the documented line, and Ctrl-C without any, lose nothing."""
    program = start("ends.py", "signal")
    program.wait_for("waiting")
    program.send(number)
    program.ended(code)
    assert value(redis_client, EVENTS) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_that_nobody_handles_loses_what_waited(
    start: Start, redis_client: redis.Redis, number: signal.Signals
) -> None:
    """It is as documented: an unhandled SIGTERM, or SIGKILL, costs what was recorded since the last flush."""
    program = start("ends.py", "unhandled")
    program.wait_for("waiting")
    program.send(number)
    program.ended(-number)
    assert value(redis_client, EVENTS) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_close_is_tried_again(start: Start, redis_server: RedisServer, number: signal.Signals) -> None:
    """A signal that comes while the last flush waits for Redis does not cost what was recorded."""
    redis_server.pause()
    try:
        program = start("ends.py", "late")
        program.wait_for("closing")
        program.send(number)
    finally:
        redis_server.resume()
    assert "Exception ignored" not in program.ended()
    assert value(redis_server.client, EVENTS) == 3


def test_a_signal_before_closing_has_begun_costs_nothing(start: Start, redis_client: redis.Redis) -> None:
    """Python gives up what it was about to call at exit; it is there a second time."""
    assert "SystemExit: 143" in start("ends.py", "early").ended()
    assert value(redis_client, EVENTS) == 3


def test_an_end_without_python_loses_what_waited(start: Start, redis_client: redis.Redis) -> None:
    """os._exit asks nobody; after it, as after SIGKILL, what was recorded since the last flush is gone."""
    start("ends.py", "os._exit").ended()
    assert value(redis_client, EVENTS) is None


def test_redis_away_at_the_end_is_one_line(start: Start) -> None:
    """The program ends with its own exit code after a bounded wait, and the log says what was lost."""
    output = start("ends.py", "sys.exit", url=f"redis://127.0.0.1:{free_port()}/0").ended(3)
    assert output.count("Lost at exit: ") == 1
    assert "Traceback" not in output
