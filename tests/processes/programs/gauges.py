"""Hold one value in each kind of shared gauge until standard input is closed."""

# ruff: noqa: T201  the test reads what is printed

import os
import sys
from typing import Final

from labkit import RedisMetricsService
from labkit.writer.descriptor import Shared

KINDS: Final[tuple[Shared, ...]] = ("last", "sum", "min", "max")

with RedisMetricsService(os.environ["REDIS_URL"], flush_interval=0.1, lease=2) as metrics:
    for shared in KINDS:
        metrics.gauge(f"g_{shared}", "What each process holds.", shared=shared).set(float(sys.argv[1]))
    metrics.flush()
    print("held")
    sys.stdin.read()
