"""How much startup time does labkit add? Fresh processes, each compared with the same one without labkit.

`python benchmarks/start.py` starts Python and IPython with and without labkit, in turn; a process is timed from its
start to its end, and the median of all rounds counts. Beside them: what else people import to record or to query.
"""

import os
import subprocess
import sys
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks._machine import describe, is_quick, table, valkey

SHELL = "from IPython.core.interactiveshell import InteractiveShell as S; s = S.instance()"
LOAD = f"{SHELL}; s.run_line_magic('load_ext', 'labkit')"

# What is run, and what the same is without it.
SIDES = {
    "import labkit": ("import labkit", "pass"),
    "from labkit import RedisMetricsService": ("from labkit import RedisMetricsService", "pass"),
    "from labkit import Prometheus": ("from labkit import Prometheus", "pass"),
    "%load_ext labkit": (LOAD, SHELL),
    "import prometheus_client": ("import prometheus_client", "pass"),
    "import redis": ("import redis", "pass"),
    "import pandas": ("import pandas", "pass"),
}
BASES = {"pass": "python", SHELL: "IPython's shell"}
GOALS = {"import labkit": 0.15, "%load_ext labkit": 0.5}  # s


def seconds(code: str, folder: str) -> float:
    """Return how long a fresh process takes to run `code` and end; it leaves its history in `folder`."""
    began = perf_counter()
    subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, env=os.environ | {"IPYTHONDIR": folder}
    )
    return perf_counter() - began


def measure(rounds: int) -> dict[str, float]:
    """Return the median time of each process, all of them in turn; the first round, which fills caches, is left out."""
    codes = [*BASES, *(code for code, _ in SIDES.values())]
    with TemporaryDirectory() as folder:
        times = [[seconds(code, folder) for code in codes] for _ in range(rounds + 1)][1:]
    return dict(zip(codes, map(median, zip(*times, strict=True)), strict=True))


def rows(took: dict[str, float]) -> list[list[str]]:
    """Return what each side adds to the process without it, and by how much that makes it longer."""
    found = [[name, f"{took[code] * 1000:,.1f}", "–", "–", "–"] for code, name in BASES.items()]
    for name, (code, without) in SIDES.items():
        added, goal = took[code] - took[without], GOALS.get(name)
        goals = f"{goal * 1000:,.0f}" if goal else "–"
        ratio = f"{took[code] / took[without]:.2f}×"
        found.append([name, f"{took[code] * 1000:,.1f}", f"{added * 1000:,.1f}", ratio, goals])
    return found


def main() -> None:
    """Measure all sides and print the table."""
    rounds = 1 if is_quick(__doc__, "one round") else 20
    with valkey() as server:
        print(describe(server, "ipython", "pandas", "prometheus_client"))
    found = rows(measure(rounds))
    print(f"Median of {rounds} rounds, ms.\n")
    print(table(["process", "start to end", "added", "÷ without", "goal for added"], found))


if __name__ == "__main__":
    main()
