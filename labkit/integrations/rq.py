"""RQ: a worker that sends what a job recorded before the job's process ends, which it does with `os._exit`.

$ rq worker --worker-class labkit.integrations.rq.Worker
"""

from typing import Any

import rq

from labkit.writer import close_all


class Worker(rq.Worker):
    """RQ's usual worker, with a process for each job."""

    # Its arguments differ between versions of RQ.
    def perform_job(self, *arguments: Any, **named: Any) -> bool:
        try:
            return super().perform_job(*arguments, **named)
        finally:
            close_all()
