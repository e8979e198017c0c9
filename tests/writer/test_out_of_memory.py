"""Memory may end at any call of a flush: no record is lost, none counts twice, and the accounts say so."""

import gc
import json
import sys
from dataclasses import dataclass, field
from itertools import count
from types import FrameType

import redis

from labkit.writer import batch, collector, delivery, instrument, instruments, self_metrics, worker
from tests.writer.test_worker import World

MODULES = {module.__file__ for module in (batch, collector, delivery, instrument, instruments, self_metrics, worker)}


@dataclass
class Memory:
    """Lets the nth call that those modules make fail before it does anything; a profiler sees them all."""

    n: int
    failed: list[str] = field(default_factory=list)

    def __call__(self, frame: FrameType, event: str, called: object) -> None:
        caller = frame if event == "c_call" else frame.f_back
        if event not in {"call", "c_call"} or self.failed or not caller or caller.f_code.co_filename not in MODULES:
            return
        self.n -= 1
        if self.n == 0:
            self.failed.append(f"{frame.f_code.co_qualname}:{frame.f_lineno} {called or ''}")
            raise MemoryError

    def lacking(self, world: World) -> bool:
        """Flush once with that; return whether there were so many calls."""
        # The collector calls what others gave it, in the name of whoever made the object that was one too many.
        gc.disable()
        sys.setprofile(self)
        try:
            world.worker.flush()
        except MemoryError:
            # From the account of the failure itself; the thread's loop takes it.
            assert self.failed
        finally:
            sys.setprofile(None)
            gc.enable()
        return bool(self.failed)


def held(client: redis.Redis) -> int:
    """How many records are in the series that Redis holds, but for the one that is removed."""
    keys = [key for key in client.keys("metrics:*") if key != b"metrics:counter:events:n=0"]
    series = [json.loads(client.get(key) or "") for key in keys]
    return int(sum(one["count"] if "count" in one else one["value"] / 0.5 for one in series))


def test_memory_ends_at_any_call(redis_client: redis.Redis) -> None:
    """Once there is memory again, what was recorded is in Redis or counted as dropped, and is there once."""
    for call in count(1):
        memory = Memory(call)
        redis_client.flushall()
        world = World(redis_client)
        world.record(each=1)
        world.flush()
        world.record(each=2)
        world.events.remove(n=0)
        if not memory.lacking(world):
            break
        for _ in range(2):
            world.flush()
        stats = world.stats()
        # One record of the child that is removed was in Redis before.
        assert (stats.written - 1, stats.pending) == (held(redis_client), 0), memory.failed
        assert stats.dropped == {"removed": 2}, memory.failed
