"""Workers of task queues, which fork and end in ways of their own: every task that was done is counted, once."""

import signal
import sys
from pathlib import Path

import pytest
import redis
from celery import Celery
from rq import Queue

from harness.process import wait_until
from tests.processes.conftest import Start
from tests.writer.test_service import value

DONE, TASKS = "metrics:counter:done", 20
CELERY = ("-m", "celery", "--app", "celery_tasks", "worker", "--concurrency", "2", "--loglevel", "INFO")
RQ = (str(Path(sys.executable).with_name("rq")), "worker", "--worker-class", "labkit.integrations.rq.Worker")


@pytest.mark.usefixtures("shared_memory")
@pytest.mark.parametrize("options", [(), ("--max-tasks-per-child", "1")], ids=" ".join)
def test_celery(start: Start, redis_client: redis.Redis, redis_url: str, options: tuple[str, ...]) -> None:
    """Its prefork pool ends processes with os._exit, at the end or after each task; nothing needs to be written."""
    with Celery(broker=redis_url) as app:
        for _ in range(TASKS):
            app.send_task("celery_tasks.count")
    worker = start(*CELERY, *options)
    wait_until(lambda: worker.log.count("succeeded") == TASKS, "the end of all tasks", timeout=90)
    worker.send(signal.SIGTERM)
    worker.ended()
    assert value(redis_client, DONE) == TASKS


def test_rq(start: Start, redis_client: redis.Redis, redis_url: str) -> None:
    """It forks for each job, and ends that process with os._exit; its worker class sends what the job recorded."""
    queue = Queue(connection=redis_client)
    for _ in range(TASKS):
        queue.enqueue("rq_jobs.count")
    start(*RQ, "--url", redis_url, "--burst", "--path", ".").ended()
    assert value(redis_client, DONE) == TASKS
