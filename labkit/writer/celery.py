"""Celery's prefork pool: its processes end with `os._exit`, after one signal of Celery's own."""

import sys
from collections.abc import Callable

# Whoever uses Celery has it loaded before a process of the pool begins.
MODULE = "celery.signals"


def join(close: Callable[[], None]) -> None:
    """Have `close` called at the end of each process of a pool, also of one that is replaced."""

    def close_at_shutdown(**_: object) -> None:
        close()

    sys.modules[MODULE].worker_process_shutdown.connect(close_at_shutdown, weak=False)
