"""Count in the children of multiprocessing, started by the method that is asked for."""

# ruff: noqa: T201  the test reads what is printed

import multiprocessing
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import util
from threading import Thread
from time import sleep

from labkit import RedisMetricsService

# Forked children inherit it after it was used; the others make it anew when they import this.
metrics = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=600)
events = metrics.counter("events", "What happened, by where.", ["where"])
if __name__ == "__main__":
    events.labels(where="parent").inc(1000)


def count(where: str, _: int = 0) -> None:
    events.labels(where=where).inc()


def in_the_module_and_in_the_child() -> None:
    count("process")
    own = RedisMetricsService(os.environ["REDIS_URL"], flush_interval=600)
    own.counter("own", "What a service made in a child counted.").inc()


def fail() -> None:
    count("failed")
    sys.exit(7)


def late() -> None:
    sleep(0.2)
    count("late")


def leave_threads_behind() -> None:
    Thread(target=late).start()
    ThreadPoolExecutor().submit(late)


def start_a_child() -> None:
    child = multiprocessing.Process(target=count, args=("grandchild",))
    child.start()
    child.join()


def end_normally_on_sigterm() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def told_to_end_while_it_ends() -> None:
    end_normally_on_sigterm()
    count("interrupted")
    util.Finalize(None, os.kill, (os.getpid(), signal.SIGTERM), exitpriority=1)


def main() -> None:
    targets = (in_the_module_and_in_the_child, fail, leave_threads_behind, start_a_child, told_to_end_while_it_ends)
    processes = [multiprocessing.Process(target=target) for target in targets]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    # Since Python 3.13, what a signal handler raises there is printed and does not become the exit code.
    print("codes", [process.exitcode for process in processes[:-1]])
    with ProcessPoolExecutor(1) as executor:
        list(executor.map(count, ["executor"] * 50))
    pool = multiprocessing.Pool(2)
    pool.map(count, ["pool"] * 50)
    pool.close()
    pool.join()
    # Leaving the block ends the workers with SIGTERM.
    with multiprocessing.Pool(1, initializer=end_normally_on_sigterm) as pool:
        pool.map(count, ["terminated"] * 50)


if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    main()
