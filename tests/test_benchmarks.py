"""The benchmarks run, if only for a moment. What they find is not judged here: a busy machine would decide."""

import re
import subprocess
import sys

import pytest

from tests import ROOT

FOLDER = ROOT / "benchmarks"


def rows(script: str, *options: str) -> dict[str, list[str]]:
    """Run a benchmark in its quick mode; return each row of its tables by its first cell."""
    command = [sys.executable, str(FOLDER / script), "--quick", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^Measured on: .+ cores, .+ CPython 3\..+ Valkey \d", done.stdout)
    lines = [line.strip("| ").split("|") for line in done.stdout.splitlines() if line.startswith("|")]
    return {first.strip(): [cell.strip() for cell in cells] for first, *cells in lines}


def test_record_measures_every_side_and_misses_nothing() -> None:
    """Each library has its row, and all that labkit recorded from one thread and from eight is in the server."""
    found = rows("record.py")
    sides = {"labkit", "prometheus_client", "opentelemetry-sdk", "statsd over UDP", "prometheus-redis-client"}
    assert sides | {"prometheus_client, multiprocess", "pytheus with Redis"} <= set(found)
    assert found["labkit"] == ["40,000", "0 missing"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("stall.py", {"no flush thread", "labkit, flush every 5 s", "labkit, flush every 1 s"}),
        ("memory.py", {"Redis there", "Redis away"}),
    ],
)
def test_a_benchmark_prints_a_figure_for_each_side(script: str, expected: set[str]) -> None:
    """Every cell of every row is a number."""
    found = rows(script)
    assert expected <= set(found)
    assert all(re.fullmatch(r"-?[\d,]+\.\d", cell) for side in expected for cell in found[side])


def test_flush_prices_the_batches_of_two_checkouts() -> None:
    """A batch of each kind has its price with this tree, with another, here the same, and their ratio."""
    found = rows("flush.py", "--against", str(FOLDER.parent))
    assert all(float(cell) > 0 for cell in found["64 histograms of 11 bounds"])
    assert len(found["64 counters"]) == 3


def test_scrape_measures_every_side_of_every_change() -> None:
    """Each change has its table, and each size a time for every side; only labkit meets the many counters."""
    found = rows("scrape.py")
    changes = {"all changed, ms", "1 % changed, ms", "nothing changed, ms", "first after a start, ms"}
    assert changes | {"labkit, 200 histograms", "memory ÷ page"} <= set(found)
    assert float(found["all changed ÷ redis_exporter with our script"][0]) > 0


def test_start_measures_every_process() -> None:
    """Python and IPython have their rows, with and without labkit, and the goals are beside them."""
    found = rows("start.py")
    assert {"python", "IPython's shell", "import pandas"} <= set(found)
    assert (found["import labkit"][-1], found["%load_ext labkit"][-1]) == ("150", "500")


def test_comeback_loses_nothing_on_either_side() -> None:
    """Both ways to come back have their row, and no record is missing or there twice."""
    found = rows("comeback.py")
    assert {"back-off alone", "with questions", "ratio", "missing"} <= set(found)
    assert found["missing"] == ["0", "0"]
