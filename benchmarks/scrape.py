"""What does a scrape cost? labkit's sidecar beside its peers, in one run, over the same data.

`python benchmarks/scrape.py` scrapes the real processes over loopback, in turn; the best of several rounds counts,
because a machine is never quite idle. prometheus_client is timed in process, so it has nothing to send.
`--figure docs/scrape.png` also plots the results.
"""

import argparse
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import plotly.graph_objects as go
from prometheus_client import CollectorRegistry

from benchmarks import _scrape_sides as sides
from benchmarks._machine import describe, pauses_of_the_machine, table, valkey
from harness.process import wait_until
from harness.redis_server import RedisServer
from harness.sidecar_process import SidecarProcess
from labkit import RedisMetricsService

# Histogram series -> rounds. Of the peers, some leave out sizes that would take minutes.
ROUNDS, QUICK_ROUNDS = {1_000: 6, 10_000: 6, 100_000: 2}, {200: 2}
COUNTERS, FOREIGN = 1_000_000, 1_000_000
MOST_IN_PROCESS, MOST_MULTIPROCESS = 100_000, 10_000
CHANGES = {"all changed": 1.0, "1 % changed": 0.01, "nothing changed": 0.0}
FIRST = "first after a start"
LABKIT, STOCK, FLOOR = "labkit", "redis_exporter with our script", "same bytes from memory"
IN_PROCESS, MULTIPROCESS = "generate_latest, in process", "multiprocess collector, 4 processes"
SIDES = (LABKIT, STOCK, IN_PROCESS, MULTIPROCESS, FLOOR)
SLOWLOG = ("--slowlog-log-slower-than", "500", "--slowlog-max-len", "10000", "--enable-debug-command", "local")
# Otherwise the server refuses all clients while the stock exporter's script runs long.
SERVER = (*SLOWLOG, "--busy-reply-threshold", "0")
SLOW_GOAL, MEMORY_GOAL = 5.0, 3.0
# To judge one long command, readers must know what the machine does by itself.
PAUSED_FOR = 10.0  # s

Record = Callable[[float], None]


class Found:
    """The best time of each side for each change, s; its commands and how long the slower took, ms; the memory."""

    def __init__(self, series: str) -> None:
        self.series = series
        self.times: dict[tuple[str, str], float] = {}
        self.commands: Counter[str] = Counter()
        self.slow: dict[str, list[float]] = defaultdict(list)
        self.page, self.memory = 0, 0.0

    def take(self, change: str, side: str, seconds: float) -> None:
        self.times[change, side] = min(seconds, self.times.get((change, side), seconds))

    def say(self) -> "Found":
        """Show that the run makes progress."""
        told = ", ".join(f"{side} {change} {t * 1000:.1f}" for (change, side), t in self.times.items())
        told += f"; longest {self.longest(LABKIT)}, memory {self.memory:.2f}, page {self.page}"
        print(f"{self.series}: {told}", file=sys.stderr, flush=True)
        return self

    def longest(self, side: str) -> float:
        """The longest command of a side, ms."""
        return max(self.slow[side], default=0.0)

    def too_long(self, side: str) -> str:
        """How many commands of a side took longer than the goal."""
        return f"{sum(ms > SLOW_GOAL for ms in self.slow[side]):,} of {self.commands[side]:,}"

    def ratio(self, change: str, side: str) -> float:
        """How labkit's time compares with another side's."""
        return self.times[change, LABKIT] / self.times[change, side]


def slow(server: RedisServer) -> list[float]:
    """Return how long the slower commands took since the log was emptied, ms; the one that empties it is ours."""
    entries = server.client.slowlog_get(10_000)
    return [float(entry["duration"]) / 1000 for entry in entries if not entry["command"].startswith(b"SLOWLOG")]


def commands(server: RedisServer) -> int:
    """Return how many commands the server has seen."""
    return int(server.client.info("stats")["total_commands_processed"])


def timed(server: RedisServer, found: Found, change: str, side: str, port: int) -> int:
    """Scrape once, and note the time and the longest command; return the bytes of the page."""
    before = commands(server)
    server.client.slowlog_reset()
    seconds, size = sides.scrape(port)
    found.take(change, side, seconds)
    found.commands[side] += commands(server) - before
    found.slow[side] += slow(server)
    return size


def idle_memory(server: RedisServer, folder: Path) -> int:
    """Return the memory of a sidecar without any series, bytes."""
    with SidecarProcess(server.url.removesuffix("0") + "1", folder) as sidecar:
        sides.scrape(sidecar.port)
        return sides.resident(sidecar.process.pid)


def alone(server: RedisServer, found: Found, folder: Path, record: Record, rounds: int) -> None:
    """Measure labkit and the floor."""
    idle = idle_memory(server, folder)
    with SidecarProcess(server.url, folder) as labkit:
        found.page = timed(server, found, FIRST, LABKIT, labkit.port)
        with sides.floor(found.page) as constant:
            for _ in range(rounds):
                for change, share in CHANGES.items():
                    record(share)
                    timed(server, found, change, LABKIT, labkit.port)
                    found.take(change, FLOOR, sides.scrape(constant)[0])
        found.memory = (sides.resident(labkit.process.pid) - idle) / found.page
    found.take(FIRST, FLOOR, min(found.times[change, FLOOR] for change in CHANGES))


def beside(server: RedisServer, found: Found, record: Record, rounds: int) -> None:
    """Measure the stock exporter, with the same changes."""
    with sides.stock(server.url) as port:
        timed(server, found, FIRST, STOCK, port)
        for _ in range(rounds):
            for change, share in CHANGES.items():
                record(share)
                timed(server, found, change, STOCK, port)
    # Its one call left everything it made in the server's script engine; the commands after it would sweep that up.
    server.client.script_flush("SYNC")


def in_process(found: Found, series: int, folder: Path) -> None:
    """Measure prometheus_client: it makes everything anew, whatever changed."""
    if series <= MOST_IN_PROCESS:
        _same_for_all(found, IN_PROCESS, sides.in_process(series), 2 if series < MOST_IN_PROCESS else 1)
    if series <= MOST_MULTIPROCESS:
        _same_for_all(found, MULTIPROCESS, sides.multiprocess(folder, series), 2)


def _same_for_all(found: Found, side: str, registry: CollectorRegistry, rounds: int) -> None:
    seconds = min(sides.render(registry) for _ in range(rounds))
    for change in (*CHANGES, FIRST):
        found.take(change, side, seconds)


def histograms(series: int, rounds: int) -> Found:
    """Measure all sides over histogram series, in a server of their own."""
    found = Found(f"{series:,} histograms")
    with valkey(*SERVER) as server, TemporaryDirectory() as folder:
        with RedisMetricsService(server.url, flush_interval=600, max_series=10**7) as service:
            family = service.histogram("bench_histogram", "Help.", ["n"], buckets=sides.BUCKETS)
            children = [family.labels(n=str(n)) for n in range(series)]

            def record(share: float) -> None:
                for n, child in enumerate(children[: round(series * share)]):
                    child.observe(n % 9000 + 0.5)
                service.flush(60)

            record(1)
            # In turn: what else the machine does affects both.
            for part in range(2):
                alone(server, found, Path(folder), record, rounds - rounds // 2 if part else rounds // 2)
                if series < 100_000 or not part:
                    beside(server, found, record, rounds // 2 if series < 100_000 else 1)
        with TemporaryDirectory() as files:
            in_process(found, series, Path(files))
    return found


def counters(series: int, rounds: int) -> Found:
    """Measure labkit alone over counter series."""
    found = Found(f"{series:,} counters")
    with (
        valkey(*SERVER) as server,
        TemporaryDirectory() as folder,
        RedisMetricsService(server.url, flush_interval=600, max_series=10**7) as service,
    ):
        family = service.counter("bench_counter", "Help.", ["n"])
        children = [family.labels(n=str(n)) for n in range(series)]

        def record(share: float) -> None:
            for child in children[: round(series * share)]:
                child.inc()
            service.flush(60)

        record(1)
        alone(server, found, Path(folder), record, rounds)
    return found


def walk_among(foreign: int) -> float:
    """Return the longest command of a sidecar's walk through a server with foreign keys, ms."""
    with valkey(*SERVER) as server, TemporaryDirectory() as folder:
        server.client.execute_command("DEBUG", "POPULATE", foreign, "foreign")
        server.client.config_resetstat()
        server.client.slowlog_reset()
        with SidecarProcess(server.url, Path(folder)):
            wait_until(lambda: _scans(server) >= foreign / 500 * 0.9, "the walk", timeout=60)
        return max(slow(server), default=0.0)


def _scans(server: RedisServer) -> int:
    return int(server.client.info("commandstats").get("cmdstat_scan", {}).get("calls", 0))


def show(all_found: list[Found]) -> None:
    """Print a table for each change, then those of the longest commands and the memory."""
    for change in (*CHANGES, FIRST):
        print(table([f"{change}, ms", *SIDES], [[found.series, *_cells(found, change)] for found in all_found]))
    rows = [
        [
            found.series,
            f"{found.longest(LABKIT):.1f}",
            found.too_long(LABKIT),
            f"{found.longest(STOCK):.1f}" if STOCK in found.slow else "–",
            f"{found.page / 1e6:.2f}",
            f"{found.memory:.1f}",
        ]
        for found in all_found
    ]
    above = f"above {SLOW_GOAL:g} ms"
    print(table(["", "longest command, labkit, ms", above, "stock, ms", "page, MB", "sidecar's memory ÷ page"], rows))


def _cells(found: Found, change: str) -> list[str]:
    ours = found.times[change, LABKIT]
    times = {side: found.times.get((change, side)) for side in SIDES}
    return ["–" if t is None else f"{t * 1000:.1f}" + f" ({t / ours:.2f}×)" * (t != ours) for t in times.values()]


def show_goals(found: Found) -> None:
    """Print the goals beside what was measured at one size."""
    goals = [
        ("all changed", STOCK, 0.35),
        ("all changed", MULTIPROCESS, 0.1),
        ("1 % changed", STOCK, 0.05),
        ("nothing changed", FLOOR, 3.0),
    ]
    rows = [[f"{change} ÷ {side}", f"{found.ratio(change, side):.3f}", f"{goal:g}"] for change, side, goal in goals]
    rows.append(["memory ÷ page", f"{found.memory:.2f}", f"{MEMORY_GOAL:g}"])
    rows.append(["longest command, ms", f"{found.longest(LABKIT):.1f}", f"{SLOW_GOAL:g}"])
    print(table([f"labkit, {found.series}", "measured", "goal, at most"], rows))


def draw(all_found: list[Found], path: Path) -> None:
    """Draw time over size, both logarithmic, a line for each side and change."""
    figure = go.Figure()
    for side, change in [(LABKIT, c) for c in CHANGES] + [(s, "all changed") for s in SIDES[1:]]:
        known = [found for found in all_found if (change, side) in found.times]
        x = [int(found.series.split()[0].replace(",", "")) for found in known]
        y = [found.times[change, side] * 1000 for found in known]
        figure.add_scatter(x=x, y=y, name=f"{side}, {change}" if side == LABKIT else side, mode="lines+markers")
    figure.update_layout(template="plotly_white", width=1000, height=560, title="One scrape, by number of histograms")
    figure.update_xaxes(type="log", title="histogram series, 16 samples each", dtick=1)
    figure.update_yaxes(type="log", title="ms", dtick=1)
    with TemporaryDirectory() as folder:
        drawn = Path(folder, "figure.html")
        figure.write_html(drawn, config={"staticPlot": True})
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1020,580"]
        options += ["--virtual-time-budget=5000", f"--user-data-dir={folder}", f"--screenshot={path.resolve()}"]
        subprocess.run(["chromium", *options, drawn.as_uri()], check=True, capture_output=True, timeout=60)


def main() -> None:
    """Measure all sizes and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few series: only shows that it works")
    parser.add_argument("--figure", type=Path, metavar="PNG", help="also draw the figure; needs chromium")
    arguments = parser.parse_args()
    with valkey() as server:
        print(describe(server, "prometheus_client", "starlette", "uvicorn"))
    rounds = QUICK_ROUNDS if arguments.quick else ROUNDS
    found = [histograms(series, count).say() for series, count in rounds.items()]
    ours = [counters(2_000 if arguments.quick else COUNTERS, 1).say()]
    show([*found, *ours])
    show_goals(found[min(1, len(found) - 1)])
    foreign = 20_000 if arguments.quick else FOREIGN
    print(f"Longest command of a walk among {foreign:,} foreign keys: {walk_among(foreign):.1f} ms", end=" ")
    print(f"(goal: at most {SLOW_GOAL:g} ms).")
    pauses = pauses_of_the_machine(PAUSED_FOR)
    print(f"Afterwards, the machine itself paused a process for up to {max(pauses, default=0):.1f} ms, ", end="")
    print(f"{sum(ms > SLOW_GOAL for ms in pauses)} times longer than {SLOW_GOAL:g} ms in {PAUSED_FOR:g} s.")
    if arguments.figure:
        draw(found, arguments.figure)


if __name__ == "__main__":
    main()
