"""The command line as a person or a script uses it: a real process, its output and its exit code."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.process import free_port
from labkit.stack import SERVICES, Stack
from labkit.stack.ports import FIXED

COMMANDS = ("up", "down", "status", "logs", "doctor", "exporter", "store", "traffic", "demo")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for labs of these tests; nothing stays there."""
    home = tmp_path_factory.mktemp("home")
    yield home
    Stack.clear(home)


@pytest.fixture(scope="module")
def lab(home: Path) -> Path:
    """A home where a lab runs, started from the command line."""
    assert labkit(home, "up", "--ports", "auto", "--scrape-interval", "0.5", "--flush-interval", "0.5").returncode == 0
    return home


def labkit(home: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "labkit", *arguments]
    where = os.environ | {"LABKIT_HOME": str(home)} | environment
    return subprocess.run(command, env=where, capture_output=True, text=True, check=False, timeout=60)


def test_help_shows_every_command_and_an_example(tmp_path: Path) -> None:
    """Bare `labkit` too; each command's own help says what its options mean."""
    page = labkit(tmp_path, "--help").stdout
    assert all(re.search(rf"^  {command} ", page, re.MULTILINE) for command in COMMANDS)
    assert "labkit traffic --rate 50" in page
    assert "Show each service's state" in labkit(tmp_path).stderr + labkit(tmp_path).stdout
    for command in ("up", "logs", "exporter", "store", "traffic"):
        assert f"  labkit {command} " in labkit(tmp_path, command, "--help").stdout


def test_the_base_installation_says_what_the_command_line_needs(tmp_path: Path) -> None:
    """Without typer, one clear message instead of a traceback."""
    code = "import sys; sys.modules['typer'] = None; from labkit.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "pip install 'labkit-metrics[sidecar]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_loads_what_it_needs_and_no_more() -> None:
    """Help does not wait for data frames, figures, web frameworks or the stack."""
    heavy = ("pandas", "plotly", "fastapi", "starlette", "supervisor", "psutil", "locust", "papermill", "rich")
    # redis-py loads this wherever it is installed, and only the benchmarks have it.
    code = "import sys; sys.modules['opentelemetry'] = None\n"
    code += f"import labkit.cli; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_status_and_down_without_a_lab(tmp_path: Path) -> None:
    """Both say so, in words or in JSON; only for `status` it is a failure, and neither leaves a trace."""
    status, as_json, down = (labkit(tmp_path, *words) for words in (["status"], ["status", "--json"], ["down"]))
    assert (status.returncode, as_json.returncode, down.returncode) == (1, 1, 0)
    assert status.stdout == "No lab runs. Start one with: labkit up\n"
    assert json.loads(as_json.stdout) == {"running": False, "lab": "", "options": {}, "services": {}}
    assert down.stdout == "No lab was running.\n"
    assert list(tmp_path.iterdir()) == []


def test_status_is_plain_in_a_pipe(lab: Path) -> None:
    """One line per service, tab-separated, no colors and no frames; exit code 0 when all answer."""
    done = labkit(lab, "status", FORCE_COLOR="1")
    assert done.returncode == 0
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == list(SERVICES)
    assert {row[1] for row in rows} == {"answering"}
    assert "\x1b" not in done.stdout


def test_status_in_json_has_what_a_script_needs(lab: Path) -> None:
    status = json.loads(labkit(lab, "status", "--json").stdout)
    assert status["running"] is True
    assert status["options"]["scrape_interval"] == 0.5
    assert status["services"]["store"]["url"] == Stack.attach(lab).urls["store"]


def test_up_again_is_quick_and_the_same(lab: Path) -> None:
    before = labkit(lab, "status").stdout
    again = labkit(lab, "up", "--ports", "auto", "--scrape-interval", "0.5", "--flush-interval", "0.5")
    assert (again.returncode, again.stdout) == (0, before)


def test_other_options_are_one_clear_message(lab: Path) -> None:
    done = labkit(lab, "up", "--ports", "auto", "--sidecar", "redis_exporter")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: The lab 'lab' runs already")
    assert "sidecar is labkit, not redis_exporter" in done.stderr
    assert "Traceback" not in done.stderr


def test_traffic_goes_through_the_labs_store(lab: Path) -> None:
    """Without a URL it finds the lab; the answer is a table, and nothing failed."""
    done = labkit(lab, "traffic", "--rate", "20", "--duration", "2")
    measured = dict(line.split("\t") for line in done.stdout.splitlines())
    assert done.returncode == 0
    assert (measured["requests"], measured["failures"]) == ("40", "0")


def test_logs_print_and_follow_until_interrupted(lab: Path) -> None:
    """Ctrl-C ends it with 130, as a shell expects."""
    assert "records to" in labkit(lab, "logs", "store", "-n", "5").stdout
    command = [sys.executable, "-m", "labkit", "logs", "store", "-f"]
    with subprocess.Popen(
        command, env=os.environ | {"LABKIT_HOME": str(lab)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout
        assert "records to" in following.stdout.readline()
        following.send_signal(signal.SIGINT)
        _, said = following.communicate(timeout=20)
    assert following.returncode == 130
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up", "--ports", "some"], "--ports"),
        (["up", "--colour"], "--colour"),
        (["traffic", "--rate", "fast"], "--rate"),
        (["exporter", "--listen", "9121"], "looks like 127.0.0.1:9121"),
        (["store", "--listen", "127.0.0.1:http"], "looks like 127.0.0.1:9121"),
        (["stop"], "stop"),
        (["logs"], "SERVICE"),
    ],
)
def test_wrong_usage_is_two(tmp_path: Path, arguments: list[str], message: str) -> None:
    """Exit code 2, the usage, and what was wrong."""
    done = labkit(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Usage: labkit" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up", "--scrape-interval", "0"], "scrape_interval=0.0 makes no sense"),
        (["logs", "grafana"], "'grafana' is no service"),
        (["logs", "store"], "There is no log of store"),
        (["traffic", "--duration", "1"], "No lab runs"),
        (["traffic", "--url", "http://127.0.0.1:1"], "No store answers at http://127.0.0.1:1"),
        (["exporter", "--redis", "http://127.0.0.1", "--listen", f"127.0.0.1:{free_port()}"], "not a valid Redis URL"),
        (["store", "--redis", "127.0.0.1:6379", "--listen", "127.0.0.1:0"], ""),
    ],
)
def test_an_error_is_one_message(tmp_path: Path, arguments: list[str], message: str) -> None:
    """On stderr, with the way out, and never a traceback."""
    done = labkit(tmp_path, *arguments)
    assert done.returncode == (2 if not message else 1)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["exporter", "store"])
def test_a_taken_port_is_one_message(tmp_path: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = labkit(tmp_path, command, "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert f"Port {port} on 127.0.0.1 is taken" in done.stderr


def test_a_taken_documented_port_is_one_message(tmp_path: Path) -> None:
    """Whoever holds it, `up` names the port and the way out, and starts nothing."""
    held: list[socket.socket] = []
    try:
        held.append(socket.create_server(("127.0.0.1", FIXED["redis"])))
    except OSError:
        held.clear()  # somebody else holds it already
    done = labkit(tmp_path, "up")
    for server in held:
        server.close()
    assert done.returncode == 1
    assert re.match(r"error: Port \d+ for \w+ is taken .*--ports auto", done.stderr)
    assert Stack.running(tmp_path) is None


def test_a_missing_prometheus_is_one_message(tmp_path: Path) -> None:
    """Not on PATH, not in the cache, and no apt: other ways are named."""
    cache = tmp_path / "cache"
    done = labkit(tmp_path, "up", "--ports", "auto", PATH=str(tmp_path), LABKIT_CACHE=str(cache))
    assert done.returncode == 1
    assert re.match(r"error: prometheus is not on PATH.*conda.*brew.*docker", done.stderr)
    assert Stack.running(tmp_path) is None


def test_doctor_lists_what_it_found(tmp_path: Path) -> None:
    done = labkit(tmp_path, "doctor")
    assert done.returncode == 0
    assert re.search(r"^valkey-server\tok\t\d", done.stdout, re.MULTILINE)


def test_several_labs_are_shown_and_ended(home: Path, lab: Path) -> None:
    """The last test of the module: which lab is meant is said, `--all` means all, and afterwards nothing is left."""
    assert labkit(home, "up", "--ports", "auto", "--name", "second").returncode == 0
    status = labkit(home, "status")
    assert (status.stdout.count("answering"), "The lab 'second'. Others: lab" in status.stderr) == (4, True)
    shown = [line.split("\t") for line in labkit(home, "status", "--all").stdout.splitlines()]
    assert [(row[0], row[1]) for row in shown] == [("second", "answering"), ("lab", "answering")]
    down = labkit(home, "down")
    assert (down.stdout, "Still there: lab." in down.stderr) == ("The lab 'second' is down.\n", True)
    assert labkit(home, "down", "--all").stdout == "The lab 'lab' is down.\n"
    assert labkit(home, "down").stdout == "No lab was running.\n"
    assert list(home.iterdir()) == []
