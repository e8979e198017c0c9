"""The engine of the tests: where it can run, and that it leaves nothing."""

import os
import socket
from pathlib import Path

import psutil
import pytest

from tests.docker.engine import CGROUPS, engine, why_not


def test_the_engine_leaves_nothing_behind() -> None:
    """Once it has ended, no process, mount, control group, file or network interface of it is there."""
    if reason := why_not():
        pytest.skip(reason)
    interfaces = socket.if_nameindex()
    with engine() as running:
        folder = running.socket.parent
        assert "docker0" in running.run("cat", "/proc/net/dev").stdout
        assert len(processes(folder)) >= 3
    assert socket.if_nameindex() == interfaces
    assert processes(folder) == []
    assert folder.name not in Path("/proc/self/mounts").read_text()
    assert not folder.exists()
    assert [*CGROUPS.glob(folder.name), *CGROUPS.glob(f"*/{folder.name}")] == []


def processes(folder: Path) -> list[int]:
    """Those that were told about the engine's folder; of one that just ended, psutil says None."""
    found = psutil.process_iter(["pid", "cmdline"])
    return [process.pid for process in found if str(folder) in " ".join(process.info["cmdline"] or ())]


@pytest.mark.skipif(os.geteuid() != 0, reason="others are told that it needs root")
def test_a_machine_without_docker_and_apt_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the engine cannot be had, the tests that need it say so."""
    monkeypatch.setenv("PATH", "")
    assert why_not() == "there is no dockerd here, and no apt to fetch it with"
