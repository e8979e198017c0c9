"""Run the tests that depend on other programs on those of several releases of Debian: `python scripts/versions.py`.

`make test-versions` runs all of them on all releases, and writes what it saw to docs/versions.md. With `--newest`, only
what is quick runs, on the newest release alone, and nothing is written: that is part of `make test`. Ends with 1 if a
test fails.
"""

import os
import platform
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from tempfile import TemporaryDirectory

from labkit.errors import BinaryNotFound
from labkit.stack import binaries

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs/versions.md"
RELEASES = {"bookworm": "Debian 12", "trixie": "Debian 13", "sid": "Debian unstable"}
PROGRAMS = ("redis-server", "prometheus", "redis_exporter")
QUICK = {
    "both sidecars give Prometheus the same series": "tests/sidecar/test_conformance.py",
    "relabelling of the stock exporter's series": "tests/stack/test_relabelling.py",
    "users and passwords": "tests/test_access.py",
    "alerts and recording rules": "tests/test_rules.py",
}
MORE = {
    "queries": "tests/prometheus/test_query.py",
    "frames of their answers": "tests/prometheus/test_frames.py",
    "what is shown of their errors": "tests/prometheus/test_client.py",
    "random sequences of faults: the writer": "tests/writer/test_exactly_once.py",
    "random sequences of faults: the sidecar": "tests/sidecar/test_sequences.py",
    "notebook 00": "tests/test_notebooks.py::test_a_notebook_runs_with_other_parameters[00-start-here]",
}
HEAD = """# Versions

Written by `make test-versions`: what the tests said on {day}, with Python {python} on {machine}. The programs of each
release were fetched and unpacked side by side, without root. To run anything else on those of one release, name it:
`LABKIT_RELEASE=sid pytest tests/prometheus` or `LABKIT_RELEASE=trixie labkit up`. In notebook 00, the server is Valkey.

"""


def version(name: str) -> str:
    """Return the version that a program of `LABKIT_RELEASE` says it has."""
    program = binaries.find(name, _say)
    environment = os.environ | program.environment
    command = [str(program.path), "--version"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def outcomes(tests: list[str]) -> tuple[int, dict[str, str]]:
    """Run tests; return pytest's code, and for each of their files what became of its tests."""
    with TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadscope", f"--junitxml={report}", *tests],
            cwd=ROOT, check=False,
        )  # fmt: skip
        # pytest's own report.
        cases = list(ET.parse(report).iter("testcase")) if report.exists() else []  # noqa: S314
    return done.returncode, {test: _counted(test, cases) for test in tests}


def _counted(test: str, cases: list[ET.Element]) -> str:
    module = test.partition(".py")[0].replace("/", ".")
    found = [_outcome(case) for case in cases if case.get("classname") == module]
    told = [f"{found.count(outcome)} {outcome}" for outcome in ("failed", "passed", "skipped") if outcome in found]
    return ", ".join(told) or "not run"


def _outcome(case: ET.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "passed" if case.find("skipped") is None else "skipped"


def on(release: str, tests: dict[str, str]) -> tuple[int, list[str]]:
    """Run tests on the programs of one release; return pytest's code and a column of the table."""
    os.environ["LABKIT_RELEASE"] = release
    versions = [version(name) for name in PROGRAMS]
    said_to_be = " · ".join(f"{name} {number}" for name, number in zip(PROGRAMS, versions, strict=True))
    _say(f"{RELEASES[release]}: {said_to_be}")
    code, outcome = outcomes(list(tests.values()))
    return code, [RELEASES[release], *versions, *outcome.values()]


def write(tests: dict[str, str], columns: list[list[str]]) -> None:
    """Write docs/versions.md."""
    named = [f"{what} (`{test.partition('::')[0]}`)" for what, test in tests.items()]
    rows = [list(row) for row in zip(["", *PROGRAMS, *named], *columns, strict=True)]
    rows.insert(1, ["---"] * len(rows[0]))
    head = HEAD.format(day=time.strftime("%Y-%m-%d"), python=platform.python_version(), machine=platform.machine())
    TABLE.write_text(head + "".join(f"| {' | '.join(row)} |\n" for row in rows), encoding="utf-8")


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run what was asked for; return the exit code."""
    newest = arguments == ["--newest"]
    tests = QUICK if newest else QUICK | MORE
    try:
        results = [on(release, tests) for release in (["sid"] if newest else RELEASES)]
    except BinaryNotFound as error:
        _say(f"Other releases of Debian were not run: {error}")
        return 0 if newest else 1
    if not newest:
        write(tests, [column for _, column in results])
    return max(code for code, _ in results)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
