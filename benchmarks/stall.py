"""Does the flush thread make the application wait? A spinning thread measures its own gaps, with it and without.

`python benchmarks/stall.py` observes 500,000 times a second over 10,000 histograms, each side in a process of its own.
Gaps between observations are 2 µs if nothing is in the way; nearly all are, whatever happens. So the second table
takes the longest gap of every 10 ms: what a request of that length encounters.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt

from benchmarks._load import SERIES, Observe, observers, spin, spin_and_watch
from benchmarks._machine import describe, is_quick, table, valkey
from labkit import RedisMetricsService

GOAL = 2_000  # µs by which the 99.9th percentile may grow
REQUEST = 10_000_000  # ns
WARM_UP = 2.0  # s
FLUSH_INTERVALS = (5, 1)  # s
PERCENTILES = (50, 99, 99.9, 99.99, 100)

Percentiles = tuple[float, ...]


@dataclass(frozen=True)
class Waits:
    """What one side encountered: percentiles, in µs, and observations a second."""

    gaps: Percentiles
    per_request: Percentiles
    rate: float


def without(seconds: float) -> Waits:
    """Record the same to lists that discard old entries by themselves, with no other thread."""

    def histogram() -> Observe:
        append: Callable[[float], None] = deque[float](maxlen=64).append

        def observe(value: float) -> None:
            if -1e38 <= value <= 1e38:
                append(value)

        return observe

    return _watch([histogram() for _ in range(SERIES)], seconds)


def with_labkit(seconds: float, url: str, flush_interval: float) -> Waits:
    """Record with a service that flushes to a real server."""
    with RedisMetricsService(url, flush_interval=flush_interval) as metrics:
        observe = observers(metrics)
        metrics.flush()
        return _watch(observe, seconds)


def _watch(observe: list[Observe], seconds: float) -> Waits:
    spin(observe, min(WARM_UP, seconds))
    gaps = np.frombuffer(spin_and_watch(observe, seconds), dtype=np.uint64)
    per_request = _longest_per_request(gaps)
    return Waits(_percentiles(gaps), _percentiles(per_request), len(gaps) / gaps.sum() * 1e9)


def _longest_per_request(gaps: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the longest gap of each whole 10 ms; one that spans several counts in each."""
    ends = np.cumsum(gaps)
    edges = np.arange(0, ends[-1] - REQUEST, REQUEST)
    first = np.searchsorted(ends, edges, side="right")
    last = np.searchsorted(ends, edges + REQUEST, side="left")
    return np.array([gaps[a : b + 1].max() for a, b in zip(first, last, strict=True)])


def _percentiles(nanoseconds: npt.NDArray[np.uint64]) -> Percentiles:
    return tuple(np.percentile(nanoseconds, PERCENTILES) / 1000)


def measure(side: Callable[..., Waits], *arguments: float | str) -> Waits:
    """Return what `side` encounters in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(side, *arguments).result()


def take_turns(url: str, seconds: float, rounds: int) -> dict[str, Waits]:
    """Return what each side encountered, the median of its rounds: another program's load ruins one, not all."""
    met: dict[str, list[Waits]] = {}
    for _ in range(rounds):
        met.setdefault("no flush thread", []).append(measure(without, seconds))
        for interval in FLUSH_INTERVALS:
            name = f"labkit, flush every {interval} s"
            met.setdefault(name, []).append(measure(with_labkit, seconds, url, interval))
    return {name: _median(waits) for name, waits in met.items()}


def _median(rounds: list[Waits]) -> Waits:
    gaps, per_request = ([getattr(waits, what) for waits in rounds] for what in ("gaps", "per_request"))
    rate = float(np.median([waits.rate for waits in rounds]))
    return Waits(tuple(np.median(gaps, axis=0)), tuple(np.median(per_request, axis=0)), rate)


def show(title: str, sides: dict[str, Percentiles]) -> None:
    """Print the percentiles of each side, in µs, and by how much the 99.9th grew over the first side's."""
    baseline = next(iter(sides.values()))[2]
    header = [title, *(f"p{p:g}" for p in PERCENTILES[:-1]), "max", "p99.9 grows by"]
    rows = [(name, (*found, found[2] - baseline)) for name, found in sides.items()]
    print(table(header, [[name, *(f"{value:,.1f}" for value in values)] for name, values in rows]))


def main() -> None:
    """Measure all sides and print both tables."""
    seconds, rounds = (0.5, 1) if is_quick(__doc__, "half a second per side") else (10.0, 3)
    with valkey() as server:
        print(describe(server))
        sides = take_turns(server.url, seconds, rounds)
    rates = ", ".join(f"{side.rate:,.0f}" for side in sides.values())
    print(f"{SERIES:,} live histograms; observations a second: {rates}. Median of {rounds} × {seconds:g} s.\n")
    show("gap, µs", {name: side.gaps for name, side in sides.items()})
    show("longest gap in 10 ms, µs", {name: side.per_request for name, side in sides.items()})
    print(f"Goal: the 99.9th percentile of the gaps grows by no more than {GOAL:,} µs.")


if __name__ == "__main__":
    main()
