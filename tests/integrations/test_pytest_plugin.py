"""The fixtures that labkit lends to other people's tests, in test runs as those people would start them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from labkit.integrations.pytest_plugin import SETTINGS
from labkit.stack.options import option
from labkit.stack.processes import lab_of
from tests import ROOT

EXAMPLE = ROOT / "examples" / "testing-your-own"
GUIDE = (ROOT / "docs" / "testing-your-own.md").read_text(encoding="utf-8")
OURS = ("LABKIT_", "PYTEST_", "COV_")


def run_pytest(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """In a process of its own, in `folder`, with nothing of the run that we are part of."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--basetemp", str(folder / "tmp"), *options]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=150
    )


def write(folder: Path, test: str, ini: str = "") -> Path:
    (folder / "test_it.py").write_text(test)
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}")
    return folder


def test_the_example_passes(tmp_path: Path) -> None:
    """Copied out of this tree, as a reader would copy it; and it leaves no process behind."""
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "example"))
    done = run_pytest(folder, "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b7 passed", done.stdout)
    assert [home for process in psutil.process_iter() if str(folder) in (home := lab_of(process) or "")] == []


def test_each_worker_has_a_lab_of_its_own(tmp_path: Path) -> None:
    """Tests that run at the same time do not count each other's events."""
    test = (
        "import pytest\n@pytest.mark.parametrize('n', range(4))\n"
        "def test_it(labkit_stack, n):\n    print(labkit_stack.urls)"
    )
    done = run_pytest(write(tmp_path, test), "-n", "2", "-rP")
    assert re.search(r"\b4 passed", done.stdout), done.stdout
    assert len(set(re.findall(r"'redis': '([^']+)'", done.stdout))) == 2


def test_a_failure_says_how_the_lab_was(tmp_path: Path) -> None:
    """Each service's state, and the end of the log of those that did not answer."""
    test = "def test_it(labkit_stack):\n    labkit_stack.kill('sidecar')\n    assert False"
    done = run_pytest(write(tmp_path, test))
    assert "redis answering, store answering, sidecar dead, prometheus answering" in done.stdout
    assert "The end of sidecar's log:" in done.stdout
    assert "The end of store's log:" not in done.stdout


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "labkit_scrape_interval = soon",
            "labkit_scrape_interval in pytest's configuration is not a number",
        ),
        ("labkit_sidecar = mine", "The lab did not start. sidecar='mine'"),
        ("labkit_flush_interval = -1", "The lab did not start. flush_interval"),
    ],
)
def test_a_wrong_setting_is_told_without_a_traceback(tmp_path: Path, setting: str, message: str) -> None:
    """The line names the setting and what was given."""
    done = run_pytest(write(tmp_path, "def test_it(labkit_stack): ...", setting))
    assert done.returncode == 1
    assert message in done.stdout
    assert "Traceback" not in done.stdout
    assert "During handling" not in done.stdout
    assert "pytest_plugin.py" not in done.stdout


def test_settings_reach_the_lab(tmp_path: Path) -> None:
    """From the ini file, and above it from the fixture that is there to be overridden."""
    test = (
        "import pytest\n"
        "@pytest.fixture(scope='session')\ndef labkit_options(labkit_options):\n"
        "    return labkit_options | {'flush_interval': 0.25}\n"
        "def test_it(labkit_stack):\n    print(labkit_stack.options)"
    )
    done = run_pytest(write(tmp_path, test, "labkit_scrape_interval = 0.5\n"), "-rP", "-o", "labkit_ttl=77")
    assert "scrape_interval=0.5, flush_interval=0.25, ttl=77.0" in done.stdout, done.stdout


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest 9 was the first to read this table")
def test_a_native_table_has_numbers(tmp_path: Path) -> None:
    """`[tool.pytest]` is TOML: a number is a number there, whole or not, and a text in its place is told."""
    (tmp_path / "test_it.py").write_text("def test_it(labkit_options):\n    print(labkit_options)")
    table = tmp_path / "pyproject.toml"
    table.write_text("[tool.pytest]\nlabkit_scrape_interval = 0.5\nlabkit_ttl = 77\nlabkit_server = 'redis'\n")
    done = run_pytest(tmp_path, "-rP", "-o", "labkit_flush_interval=2")
    expected = {"scrape_interval": 0.5, "flush_interval": 2.0, "ttl": 77.0, "sidecar": "labkit", "server": "redis"}
    assert f"{expected}" in done.stdout, done.stdout
    table.write_text("[tool.pytest]\nlabkit_ttl = 'long'\n")
    assert "labkit_ttl in pytest's configuration is not a number" in run_pytest(tmp_path).stdout


def test_a_lab_that_is_not_installed_is_named(tmp_path: Path) -> None:
    """Whoever installed labkit only to record is told what to install, in a line."""
    without = "import sys\nsys.modules['psutil'] = None"
    done = run_pytest(write(tmp_path, f"{without}\ndef test_it(labkit_stack): ..."))
    assert "labkit.Stack needs psutil, which is not installed: pip install 'labkit-metrics[lab]'" in done.stdout


def test_the_guide_shows_what_runs() -> None:
    """Each block of Python and each setting in the guide is in the example, word for word."""
    files = "\n".join(path.read_text(encoding="utf-8") for path in sorted(EXAMPLE.iterdir()) if path.is_file())
    blocks = re.findall(r"^```(?:python|ini)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    assert [block for block in blocks if block.strip() not in files] == []


def test_the_guide_lists_every_setting() -> None:
    """With its default and its meaning."""
    rows = re.findall(r"^\| `labkit_(\w+)` \| (\S+) \| (.+) \|$", GUIDE, re.MULTILINE)
    listed = {name: (default, meaning) for name, default, meaning in rows if name in SETTINGS}
    meant = {name: option(name).metadata["meaning"] for name in SETTINGS}
    assert listed == {
        name: (f"{default:g}" if isinstance(default, float) else default, meant[name])
        for name, default in SETTINGS.items()
    }
