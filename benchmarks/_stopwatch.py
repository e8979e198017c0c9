"""A stopwatch for one side of `record.py`, and the process that it runs in."""

from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Barrier
from time import perf_counter, process_time
from timeit import Timer
from types import TracebackType
from typing import Self

from benchmarks._sides import Entry, Side

THREADS = 8


class Stopwatch:
    """Measures one side and counts the increments it made. Times are nanoseconds per call."""

    def __init__(self, side: Side, calls: int) -> None:
        self._side, self._names, self._calls = side, dict(side.names), calls
        self._made = 0

    def inc(self) -> float:
        return self._wall_time(self._counting(self._side.inc))

    def labels(self) -> float:
        return self._wall_time(self._counting(self._side.labels))

    def observe(self) -> float:
        return self._wall_time(self._timer(self._side.observe))

    def inc_processor(self) -> float:
        return self._processor_time(self._counting(self._side.inc))

    def observe_processor(self) -> float:
        return self._processor_time(self._timer(self._side.observe))

    def threads(self) -> float:
        """Increment from all threads at once: from the first one's start to the last one's end."""
        timer, gate = self._counting(self._side.inc), Barrier(THREADS)

        def work(_: int) -> tuple[float, float]:
            gate.wait()
            started = perf_counter()
            timer.timeit(self._calls // THREADS)
            return started, perf_counter()

        with ThreadPoolExecutor(THREADS) as pool:
            starts, ends = zip(*pool.map(work, range(THREADS)), strict=True)
        return self._per_call(max(ends) - min(starts))

    def made(self) -> float:
        """Return how many increments were made since the beginning."""
        return self._made

    def missing(self) -> float:
        """Return how many of those did not arrive."""
        return self._made - self._side.arrived()

    def _timer(self, statement: str) -> Timer:
        return Timer(statement, globals=self._names)

    def _counting(self, statement: str) -> Timer:
        self._made += self._calls
        return self._timer(statement)

    def _wall_time(self, timer: Timer) -> float:
        return self._per_call(timer.timeit(self._calls))

    def _processor_time(self, timer: Timer) -> float:
        started = process_time()
        timer.timeit(self._calls)
        self._side.settle()
        return self._per_call(process_time() - started)

    def _per_call(self, seconds: float) -> float:
        return seconds / self._calls * 1e9


def serve(entry: Entry, url: str, calls: int, pipe: Connection) -> None:
    """Measure what the pipe asks for, a method of `Stopwatch`, until it asks for ""."""
    with entry.make(url) as side:
        stopwatch = Stopwatch(side, calls)
        for what in iter(pipe.recv, ""):
            pipe.send(getattr(stopwatch, what)())
            side.settle()


class Contender:
    """A side in a process of its own, which measures on request."""

    def __init__(self, entry: Entry, url: str, calls: int) -> None:
        context = get_context("spawn")
        self.name = entry.name
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(entry, url, calls, theirs))
        self._process.start()
        theirs.close()

    def measure(self, what: str) -> float:
        """Return what the method of `Stopwatch` with this name returns.

        Raises:
            EOFError: the process failed, and has printed why.
        """
        self._pipe.send(what)
        return float(self._pipe.recv())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.is_alive():
            self._pipe.send("")
        self._process.join()
