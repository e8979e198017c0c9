"""Run it: REDIS_URL=redis://127.0.0.1:6379/0 celery --app celery_tasks worker --concurrency 2."""

import os

from celery import Celery

from labkit import RedisMetricsService

app = Celery("tasks", broker=os.environ["REDIS_URL"])
metrics = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=600)
done = metrics.counter("done", "Tasks done.")


@app.task  # type: ignore[untyped-decorator]  # upstream
def count() -> None:
    """Count this task."""
    done.inc()
