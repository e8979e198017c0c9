"""Run it: rq worker --url redis://127.0.0.1:6379/0 --worker-class labkit.integrations.rq.Worker."""

import os

from labkit import RedisMetricsService

metrics = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=600)
done = metrics.counter("done", "Jobs done.")


def count() -> None:
    """Count this job."""
    done.inc()
