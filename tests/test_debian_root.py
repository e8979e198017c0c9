"""What runs in a namespace leaves nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.debian_root import run_alone
from harness.process import wait_until
from tests import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
HOLDER = "import sys, signal, harness.debian_root as it; signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)); "


def test_a_mount_and_a_process_are_gone_at_the_end(tmp_path: Path) -> None:
    """The code is the command's; what it left in the background was killed, and its mount was never seen here."""
    lock = tmp_path / "lock"
    script = 'mount -t tmpfs tmpfs "$1" && (flock "$2" sleep 60 & until ! flock -n "$2" true; do :; done); exit 7'
    (tmp_path / "mounted").mkdir()
    assert run_alone(["sh", "-c", script, "sh", str(tmp_path / "mounted"), str(lock)]) == 7
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert subprocess.run(["flock", "--nonblock", lock, "true"], check=False).returncode == 0


def test_an_ended_caller_ends_what_it_runs(tmp_path: Path) -> None:
    """Also by a signal: nothing writes into a folder that is about to be removed."""
    lock = tmp_path / "lock"
    held = ["flock", "--nonblock", str(lock), "true"]
    call = f"it.run_alone(['flock', {str(lock)!r}, 'sleep', '60'])"
    caller = subprocess.Popen([sys.executable, "-c", HOLDER + call], cwd=ROOT)
    wait_until(lambda: lock.exists() and subprocess.run(held, check=False).returncode == 1, "a lock that is held")
    caller.send_signal(signal.SIGTERM)
    assert caller.wait(30) == 1
    assert subprocess.run(held, check=False).returncode == 0
