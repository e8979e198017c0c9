"""Traffic: real customers of Locust in a real store."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import psutil
import pytest

from harness.process import free_port, wait_until
from labkit.errors import ConnectionFailed, LabkitError
from labkit.traffic import run as traffic
from labkit.traffic.run import Traffic, drive
from labkit.traffic.schedule import Shape


def status(url: str) -> Any:
    return httpx.get(f"{url}/api/store/status").json()


def requests_of(url: str) -> int:
    return sum(line["answered"] for line in status(url)["ledger"]["requests"])


def locusts(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children() if "locust" in " ".join(child.cmdline())]


@pytest.fixture
def failing_url() -> Iterator[str]:
    """A store that says it is healthy, and fails at everything else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/-/healthy" else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_folder_one_is_in_does_not_matter(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else may have put a module and a configuration of Locust there: neither is taken."""
    (tmp_path / "locust.py").write_text("raise SystemExit('not ours')")
    (tmp_path / "locust.conf").write_text(f"html = {tmp_path}/written.html\n")
    monkeypatch.chdir(tmp_path)
    assert drive(store_url, rate=20, duration=1).failures == 0
    assert not (tmp_path / "written.html").exists()


@pytest.mark.parametrize(("shape", "requests"), [("steady", 120), ("ramp", 60), ("spike", 43)])
def test_as_many_requests_as_asked_for(store_url: str, shape: Shape, requests: int) -> None:
    """The number of requests is the one asked for, the ledger agrees, none fails, and nobody is left in the store."""
    before = requests_of(store_url)
    result = drive(store_url, rate=40, duration=3, shape=shape)
    assert result.requests == requests == requests_of(store_url) - before
    assert result.failures == 0
    assert result.rate == pytest.approx(requests / 3, rel=0.05)
    assert 0 < result.p50_ms <= result.p95_ms <= result.p99_ms
    counts = status(store_url)["counts"]
    assert (counts["waiting"], counts["active"]) == (0, 0)


def test_progress_is_told(store_url: str) -> None:
    """The share that is done grows to 1."""
    shares: list[float] = []
    drive(store_url, rate=5, duration=1, users=2, on_progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_failures_are_counted(failing_url: str) -> None:
    """A store that answers 500 does not stop the traffic: each request is a failure of the result."""
    result = drive(failing_url, rate=20, duration=1)
    assert result.requests == result.failures == 20
    assert result.refused == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 0}, "rate=0 is out of bounds; choose from 0.1 to 1000"),
        ({"rate": float("nan")}, "rate=nan is out of bounds"),
        ({"duration": 1e9}, r"duration=1e\+09 is out of bounds; choose from 1 to 3600"),
        ({"users": 0}, "users=0 is out of bounds"),
        ({"shape": "wave"}, "choose one of steady, ramp, spike"),
    ],
)
def test_options_have_bounds(store_url: str, options: dict[str, Any], message: str) -> None:
    """An option out of bounds is told before anything is started."""
    with pytest.raises(LabkitError, match=message):
        drive(store_url, **{"rate": 1, "duration": 1, **options})


def test_somebody_must_answer(failing_url: str) -> None:
    """No store, no URL, and something that is no store are told apart from a slow one, with the way out."""
    nobody = f"http://127.0.0.1:{free_port()}"
    for url in (nobody, "127.0.0.1:5050", "http://", f"{failing_url}/elsewhere"):
        with pytest.raises(ConnectionFailed, match=r"labkit up"):
            drive(url, rate=1, duration=1)


def test_an_interrupted_drive_leaves_nobody_behind(store_url: str) -> None:
    """Whatever ends the drive, Ctrl-C for one, ends Locust too."""

    def interrupt(_: float) -> None:
        assert locusts(psutil.Process())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(store_url, rate=1, duration=60, on_progress=interrupt)
    wait_until(lambda: not locusts(psutil.Process()), "the end of Locust")


def test_locust_ends_with_its_parent(store_url: str) -> None:
    """A driving process that is killed takes Locust with it."""
    code = f"from labkit.traffic.run import drive; drive({store_url!r}, rate=1, duration=60)"
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        wait_until(lambda: locusts(psutil.Process(parent.pid)), "the start of Locust")
        (locust,) = locusts(psutil.Process(parent.pid))
        before = requests_of(store_url)
        wait_until(lambda: requests_of(store_url) > before, "the first customer")
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not locust.is_running(), "the end of Locust")


def test_a_locust_that_ends_early_is_told(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If Locust cannot start, the error carries the end of its log."""
    monkeypatch.setattr(traffic, "_LOCUSTFILE", "/nowhere/locustfile.py")
    with pytest.raises(LabkitError, match=r"Locust ended with code 1;.*Could not find"):
        drive(store_url, rate=1, duration=1)


def test_the_summary_of_nobody() -> None:
    """No requests at all are a result, too: a rate of zero and no times."""
    assert traffic._read("[]", 5.0).rate == 0
    assert str(traffic._read("[]", 5.0)) == str(Traffic(0, 0, 0, 5.0, 0.0, *[float("nan")] * 3))
    with pytest.raises(LabkitError, match="cannot be read: 'boom'"):
        traffic._read("boom", 5.0)
