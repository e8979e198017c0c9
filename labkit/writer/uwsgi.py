"""uWSGI: it forks in C, so Python's hooks do not run; and it lets threads run only if it is told to."""

import logging
import sys
from collections.abc import Callable

log = logging.getLogger("labkit")

# It is built into the server: there, and only there, it can be had.
MODULE = "uwsgi"


def join(start_anew: Callable[[], None]) -> None:
    """Have `start_anew` called in each worker, after the hook that somebody else may have set."""
    uwsgi = sys.modules[MODULE]
    before = getattr(uwsgi, "post_fork_hook", None)

    def post_fork_hook() -> None:
        if before:
            before()
        start_anew()

    uwsgi.post_fork_hook = post_fork_hook  # type: ignore[attr-defined]  # it is read by uWSGI
    if not {"enable-threads", "threads"} & {_text(option) for option in uwsgi.opt}:
        log.error("uWSGI lets no thread run, so nothing is sent before a worker ends: start it with --enable-threads.")


def _text(option: bytes | str) -> str:
    return option.decode() if isinstance(option, bytes) else option
