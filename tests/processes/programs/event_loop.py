"""Record from tasks of one event loop until standard input is closed, and print how long the loop ever stood still."""

# ruff: noqa: T201  the test reads what is printed

import asyncio
import os
import sys
from itertools import pairwise
from time import monotonic

from labkit import RedisMetricsService


async def heartbeat(beats: list[float]) -> None:
    while True:
        beats.append(monotonic())
        await asyncio.sleep(0.01)


async def record(metrics: RedisMetricsService) -> int:
    counter, rounds = metrics.counter("events", "What happened.", ["task"]), 0
    while True:
        counter.labels(task=f"t{rounds % 10}").inc()
        rounds += 1
        try:
            await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            return rounds


async def main() -> None:
    # Made, used, flushed and closed inside the loop; what waits for Redis does so in a thread.
    metrics, beats = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=0.05), list[float]()
    tasks = [asyncio.create_task(record(metrics)) for _ in range(5)]
    beating = asyncio.create_task(heartbeat(beats))
    print("recording")
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    recorded = sum(await asyncio.gather(*tasks))
    await asyncio.to_thread(metrics.close)
    beating.cancel()
    gap = max(after - before for before, after in pairwise(beats))
    print(f"recorded={recorded} gap={gap:.3f}")


asyncio.run(main())
