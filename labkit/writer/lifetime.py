"""Batch: how long a service lives. It starts anew in every forked child, and is closed when its process ends.

Every normal end is covered: the end of the script, SystemExit, an unhandled exception, Ctrl-C, and each way in which
a child of multiprocessing ends. An unhandled signal, SIGKILL and `os._exit` end a process without warning.
"""

import atexit
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from labkit.errors import FlushError

if TYPE_CHECKING:
    from labkit.writer.writer import Writer

log = logging.getLogger("labkit")

# How long each service may take for its last flush, s; and for another if that is interrupted: enough for a server
# that answers, and short for a user who wants to quit.
TIMEOUT, SECOND_CHANCE = 5.0, 1.0


_living: set["Writer"] = set()


def watch(writer: "Writer") -> None:
    """From now on, `writer` starts anew in forked children, and is closed when its process ends."""
    _living.add(writer)
    _join_others()


def release(writer: "Writer") -> None:
    """Forget `writer`: it is closed."""
    _living.discard(writer)


def living() -> list["Writer"]:
    """Return those that are watched. A copy: others may come and go meanwhile."""
    return list(_living)


def close_all() -> None:
    """Close every service of this process: it is about to end."""
    try:
        _close_each(TIMEOUT)
    except (KeyboardInterrupt, SystemExit):
        # Ctrl-C, or a signal that ends the process, came while it was ending.
        _close_each(SECOND_CHANCE)


def _close_each(timeout: float) -> None:
    for writer in living():
        try:
            writer.close(timeout)
        except FlushError as error:
            log.warning("Lost at exit: %s", error)
        except Exception:
            # The others must be closed nevertheless.
            log.exception("%r could not be closed at exit.", writer)


def start_all_anew() -> None:
    """This process is a new one, made by a fork."""
    for writer in living():
        try:
            writer.start_anew()
        except Exception:
            # The others must start nevertheless.
            log.exception("%r could not start anew after a fork; its next flush, stats or labels tries again.", writer)
    _join_others()
    if _MULTIPROCESSING in _joined:
        _close_at_the_end_of_a_child()


def _join_others() -> None:
    # A process that needs them has imported them; one that does not need not wait for the import.
    for module, join in _OTHERS.items():
        if module in sys.modules and module not in _joined:
            _joined.add(module)
            join()


# Children of multiprocessing ------------------------------------------------------------------------------------
#
# Forked ones end with os._exit, which skips atexit; they run multiprocessing's finalizers instead. The registry of
# those is emptied when a child starts, after the hooks of os.fork; what register_after_fork was given runs then.


def _join_multiprocessing() -> None:
    from multiprocessing import util

    util.register_after_fork(close_all, lambda _: _close_at_the_end_of_a_child())
    _close_at_the_end_of_a_child()


def _close_at_the_end_of_a_child() -> None:
    from multiprocessing import parent_process, util

    if parent_process():
        # The very last, because other finalizers may still record.
        util.Finalize(None, _close_in_a_child, exitpriority=-100)
        # A signal handler that exits may interrupt the finalizers, for example when a pool ends a worker that ends by
        # itself. A child shuts its threads down all the same; what is closed by then is not closed again.
        threading._register_atexit(_close_in_a_child)  # type: ignore[attr-defined]


def _close_in_a_child() -> None:
    # A child joins its threads after this. Not here: those of an executor are only then asked to end.
    others = [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]
    if others:
        threading.Thread(target=_close_after, args=(others,), name="labkit-exit").start()
    else:
        close_all()


def _close_after(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.join()
    close_all()


# Other people's servers -----------------------------------------------------------------------------------------


def _join_celery() -> None:
    # The processes of a prefork pool end with os._exit, after this one signal; those that are replaced, too.
    sys.modules[_CELERY].worker_process_shutdown.connect(lambda **_: close_all(), weak=False)


def _join_uwsgi() -> None:
    # It forks in C, so Python's hooks do not run. It calls one hook, which somebody else may have set.
    uwsgi = sys.modules[_UWSGI]
    before = getattr(uwsgi, "post_fork_hook", None)

    def post_fork_hook() -> None:
        if before:
            before()
        start_all_anew()

    uwsgi.post_fork_hook = post_fork_hook  # type: ignore[attr-defined]  # it is read by uWSGI
    options = {option.decode() if isinstance(option, bytes) else option for option in uwsgi.opt}
    if not {"enable-threads", "threads"} & options:
        log.error("uWSGI lets no thread run, so nothing is sent before a worker ends: start it with --enable-threads.")


_MULTIPROCESSING, _CELERY, _UWSGI = "multiprocessing.util", "celery.signals", "uwsgi"
_OTHERS: dict[str, Callable[[], None]] = {
    _MULTIPROCESSING: _join_multiprocessing,
    _CELERY: _join_celery,
    _UWSGI: _join_uwsgi,
}
# A child inherits it together with what it stands for.
_joined: set[str] = set()

os.register_at_fork(after_in_child=start_all_anew)
for _ in range(2):
    # A handler that exits may interrupt the first before it has begun. What is closed is not closed again.
    atexit.register(close_all)
