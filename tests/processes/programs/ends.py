"""Record three events long before the first interval, and end in the way that is asked for."""

# ruff: noqa: T201  the test reads what is printed

import os
import signal
import sys
import time
from threading import Thread, main_thread
from traceback import walk_stack
from types import FrameType

from labkit import RedisMetricsService
from labkit.writer.lifetime import close_all
from labkit.writer.request import Request


def wait_for_a_signal() -> None:
    print("waiting")
    time.sleep(60)


def wait_for_an_unhandled_signal() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    wait_for_a_signal()


def fail() -> None:
    raise RuntimeError("nobody handles this")


def end_late() -> None:
    # Whoever reads it knows that the end waits for Redis, and not what it was doing before.
    Thread(target=tell_when_it_closes, daemon=True).start()


def tell_when_it_closes() -> None:
    main = main_thread().ident or 0
    while not any(frame.f_code is Request.wait.__code__ for frame, _ in walk_stack(sys._current_frames()[main])):
        time.sleep(0.01)
    print("closing")


def end_on_a_signal_before_it_closes() -> None:
    def interrupt(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is close_all.__code__:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGTERM)

    sys.setprofile(interrupt)


ENDS = {
    "return": lambda: None,
    "sys.exit": lambda: sys.exit(3),
    "exception": fail,
    "signal": wait_for_a_signal,
    "unhandled": wait_for_an_unhandled_signal,
    "os._exit": lambda: os._exit(0),
    "late": end_late,
    "early": end_on_a_signal_before_it_closes,
}

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
metrics = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=600)
metrics.counter("events", "What happened.").inc(3)
ENDS[sys.argv[1]]()
