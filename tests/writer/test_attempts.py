"""When the next attempt is due, by a clock that only the test moves; the server is real."""

from collections.abc import Iterator

import pytest
import redis
from redis.exceptions import AuthenticationError, OutOfMemoryError, ReadOnlyError

from harness.process import wait_until
from harness.redis_server import RedisServer
from labkit.keyspace.connection import endpoint, take_apart
from labkit.writer.attempts import Attempts
from labkit.writer.backoff import CEILING
from labkit.writer.probe import RHYTHM, Probe, questioner

INTERVAL = 5.0


class Writer:
    """Attempts, and the clock by which they are made."""

    def __init__(self, url: str) -> None:
        self.now, self.client = 0.0, questioner(endpoint(url))
        self.attempts = Attempts(Probe(self.client, lambda: self.now), INTERVAL, lambda: self.now)

    def fail(self, times: int, error: Exception) -> None:
        for _ in range(times):
            self.now += self.attempts.failed(error, INTERVAL)

    def look_for(self, seconds: float) -> None:
        """Look as often as the flush thread does."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.attempts.look(INTERVAL)

    def find(self) -> None:
        """Look until the server answers, while the clock stands still."""
        wait_until(self._is_found, "An answer")

    def _is_found(self) -> bool:
        self.attempts.look(INTERVAL)
        return not self.attempts.away

    @property
    def wait(self) -> float:
        return self.attempts.due_at - self.now


@pytest.fixture
def writer(own_server: RedisServer) -> Iterator[Writer]:
    """A writer that has not failed yet."""
    writer = Writer(own_server.url)
    yield writer
    take_apart(writer.client)


def test_soon_after_a_long_pause(writer: Writer, own_server: RedisServer) -> None:
    """Not up to 30 s later, as the back-off has it, but within a second of the server's return."""
    own_server.kill()
    writer.fail(20, redis.TimeoutError("Timeout"))
    writer.attempts.failed(redis.TimeoutError("Timeout"), INTERVAL)
    writer.look_for(5)
    assert writer.wait > CEILING / 2 - 5 - 0.2
    assert writer.attempts.next_in <= 1
    own_server.start()
    writer.now += RHYTHM
    writer.find()
    assert writer.wait <= 1
    writer.attempts.succeeded(INTERVAL)
    assert (writer.wait, writer.attempts.failures, writer.attempts.next_in) == (INTERVAL, 0, INTERVAL)


@pytest.mark.parametrize("error", [OutOfMemoryError("OOM"), ReadOnlyError("READONLY"), AuthenticationError("no")])
def test_a_refusal_is_no_absence(writer: Writer, own_server: RedisServer, error: Exception) -> None:
    """A server that is there and says no is not asked whether it is there."""
    writer.fail(20, error)
    writer.attempts.failed(error, INTERVAL)
    connections = own_server.client.info("stats")["total_connections_received"]
    writer.look_for(5)
    assert writer.attempts.next_in == writer.wait > CEILING / 2 - 5 - 0.2
    assert own_server.client.info("stats")["total_connections_received"] == connections


def test_who_answers_questions_but_no_batches_is_left_alone(writer: Writer) -> None:
    """Each attempt in vain doubles the longest wait after an answer; one that succeeds begins anew."""
    waits = list[float]()
    for _ in range(40):
        writer.attempts.failed(redis.TimeoutError("Timeout"), INTERVAL)
        # By then it is time to ask, however short the back-off was.
        writer.now += RHYTHM
        writer.find()
        waits.append(writer.wait)
        writer.now = max(writer.now, writer.attempts.due_at)
    assert all(wait <= min(CEILING, 2.0**n) for n, wait in enumerate(waits))
    assert max(waits) > 8
    writer.attempts.succeeded(INTERVAL)
    writer.attempts.failed(redis.TimeoutError("Timeout"), INTERVAL)
    assert writer.wait <= 0.5


@pytest.mark.parametrize(
    ("error", "words"), [(redis.TimeoutError("No answer."), "No answer"), (KeyError("x"), "KeyError('x')")]
)
def test_an_error_is_told_in_its_words(writer: Writer, error: Exception, words: str) -> None:
    """Those of the server, and the class of what nobody expected."""
    writer.attempts.failed(error, INTERVAL)
    assert writer.attempts.last_error == words
