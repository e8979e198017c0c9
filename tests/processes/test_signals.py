"""Signals may come at any moment: their handlers may use the service, and what they raise is never lost."""

import re

import pytest
import redis

from tests.processes.conftest import Start
from tests.writer.test_service import value


@pytest.mark.parametrize("work", ["flush", "labels", "close"])
def test_a_handler_may_do_anything(start: Start, redis_client: redis.Redis, work: str) -> None:
    """Record, look up, ask for stats, flush and close, at every step of a flush, of a look-up and of closing."""
    said = re.search(r"^steps=(\d+)$", start("interrupted.py", work).ended(), re.MULTILINE)
    assert said
    steps = int(said[1])
    assert steps > 100
    assert value(redis_client, "metrics:counter:events:where=work") == steps
    # The last round has fewer steps. Whatever closing has come to, a record before it is sent, and one after it is not.
    assert work == "close" or value(redis_client, "metrics:counter:events:where=handler") == steps - 1


@pytest.mark.parametrize("done", ["nothing", "close", "fork"])
def test_what_a_handler_raises_is_not_lost_in_a_collection(start: Start, done: str) -> None:
    """The documented line ends a process even if garbage is collected at that moment; also in a forked child."""
    output = start("collected.py", done).ended(143)
    assert "Exception ignored" not in output
