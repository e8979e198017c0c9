"""Record: how long a block or a function took, in a histogram's own unit."""

from collections.abc import Callable
from contextlib import ContextDecorator
from time import perf_counter
from typing import Final, Self

# Units of time, and how many of them make a second.
PER_SECOND: Final = {"": 1, "s": 1, "seconds": 1, "ms": 1e3, "milliseconds": 1e3, "us": 1e6, "ns": 1e9}


class Timer(ContextDecorator):
    """Observes how long its block took, even when the block raises."""

    def __init__(self, observe: Callable[[float], None], per_second: float) -> None:
        self._observe, self._per_second = observe, per_second
        self._started: list[float] = []

    def __enter__(self) -> Self:
        # A stack: a decorated function may call itself.
        self._started.append(perf_counter())
        return self

    def __exit__(self, *_: object) -> None:
        self._observe((perf_counter() - self._started.pop()) * self._per_second)

    def _recreate_cm(self) -> "Timer":
        # Each call of a decorated function is timed by its own timer: calls may overlap in threads.
        return Timer(self._observe, self._per_second)
