"""What one batch of 64 series costs the server, with whichever labkit is found first: a column of `flush.py`.

`python benchmarks/_batch_cost.py PORT CASE` prints ms of the server's processor time, `null` if it would take too long.
It needs labkit's writer and redis-py only, so that it runs with an older labkit on PYTHONPATH, too.
"""

import json
import sys
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, cast

import redis

from labkit.keyspace.keys import Keys
from labkit.writer.batch import Batch
from labkit.writer.scripts import FlushReply, WriteScripts

SERIES, IN_FLIGHT, BATCHES, ROUNDS = 64, 32, 64, 5
TTL, LEASE = 1_800_000, 86_400_000  # ms
# Of the server's processor time, for all that goes before.
PATIENCE = 60.0
# Whether labkit is older than the keys that shared gauges have of their own.
OLD = "shared" not in Batch.__dataclass_fields__
MODE: Any = True if OLD else "record"

Operation = list[Any]


def observed(bounds: int) -> Operation:
    """Three observations in a histogram of so many bounds."""
    adds = [1, 1, bounds // 2 + 1, 1, bounds + 1, 1]
    return ["histogram", MODE, ",".join(str(n) for n in range(1, bounds + 1)), adds, 3.5]


CASES: dict[str, tuple[str, Operation, int]] = {
    "64 counters": ("counter", ["counter", MODE, 1], 0),
    "64 histograms of 11 bounds": ("histogram", observed(11), 0),
    "64 histograms of 100 bounds": ("histogram", observed(100), 0),
    "64 histograms of 300 bounds": ("histogram", observed(300), 0),
    "64 gauges shared by 1 writer": ("gauge", ["shared", MODE, "sum", 1], 0),
    "64 gauges shared by 100 writers": ("gauge", ["shared", MODE, "sum", 1], 99),
    "64 gauges shared by 1,000 writers": ("gauge", ["shared", MODE, "sum", 1], 999),
    "64 gauges shared by 10,000 writers": ("gauge", ["shared", MODE, "sum", 1], 9_999),
}


class Server:
    """A server that is sent batches, and the processor time that it has used."""

    def __init__(self, port: int) -> None:
        self._client = redis.Redis(port=port)
        self._client.flushall()
        self._scripts = WriteScripts(self._client, Keys())
        self._scripts.load()

    def spent(self) -> float:
        """Return its processor time since it started, s."""
        used = cast(dict[str, float], self._client.info("cpu"))
        return used["used_cpu_user_main_thread"] + used["used_cpu_sys_main_thread"]

    def take(self, batches: Iterable[Batch]) -> None:
        """Send the batches, and see each of them applied whole."""
        waiting = iter(batches)
        with self._scripts.stream() as stream:
            while some := list(islice(waiting, IN_FLIGHT)):
                for batch in some:
                    stream.send(batch, some[0].number)
                for _ in some:
                    reply: FlushReply = stream.receive()
                    assert (reply.status, reply.skipped) == ("applied", {}), reply


def batch(writer: str, number: int, kind: str, operation: Operation) -> Batch:
    """Return a batch of one writer with this operation for every series."""
    keys = tuple(f"metrics:{kind}:m:n={n}" for n in range(SERIES))
    operations = json.dumps([operation] * SERIES)
    more: dict[str, Any] = {} if OLD or kind != "gauge" else {"shared": keys}
    return Batch(writer, writer, number, TTL, LEASE, keys, operations, (1,) * SERIES, "{}", **more)


def cost(server: Server, kind: str, operation: Operation, others: int) -> float | None:
    """Return ms of the server's processor time for a batch, the best of several rounds; None if it takes too long."""
    for n in range(0, others, IN_FLIGHT):
        server.take(batch(f"other{i}", 1, kind, operation) for i in range(n, min(n + IN_FLIGHT, others)))
        if server.spent() > PATIENCE:
            return None
    numbers = iter(range(1, BATCHES * (ROUNDS + 1) + 1))

    def a_round() -> float:
        before = server.spent()
        server.take(batch("own", number, kind, operation) for number in islice(numbers, BATCHES))
        return (server.spent() - before) / BATCHES * 1000

    return best_of(a_round)


def best_of(a_round: Callable[[], float]) -> float:
    """Return the least of several rounds after the first, which makes the series."""
    a_round()
    return min(a_round() for _ in range(ROUNDS))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(cost(Server(int(sys.argv[1])), *CASES[sys.argv[2]])))
