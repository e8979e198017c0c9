"""Signals reach processes of the lab, and nobody else, whoever says so."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.process import wait_until
from labkit.errors import StackError
from labkit.stack import processes
from tests.stack.somebody import SOMEBODY, needs_root


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[psutil.Process]:
    """A process with the mark of the lab in `tmp_path`."""
    yield from _sleeping(os.environ | {processes.MARK: str(tmp_path)})


@pytest.fixture
def other() -> Iterator[psutil.Process]:
    """A process of this user that belongs to no lab."""
    yield from _sleeping(dict(os.environ))


def _sleeping(environment: dict[str, str], **options: int) -> Iterator[psutil.Process]:
    # Its environment is there once the program is, as its output says.
    command = ["sh", "-c", "echo; exec sleep 600"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, **options) as child:  # type: ignore[call-overload]  # `user`
        assert child.stdout.readline() == b"\n"
        yield psutil.Process(child.pid)
        child.kill()


def test_a_process_of_the_lab_is_known_by_its_mark(tmp_path: Path, mine: psutil.Process, other: psutil.Process) -> None:
    """One with its home is one of it; any other is refused, and left alone."""
    assert processes.member(mine.pid, tmp_path) == mine
    for pid, home in ((other.pid, tmp_path), (mine.pid, tmp_path / "elsewhere"), (1, tmp_path)):
        with pytest.raises(StackError, match=f"Process {pid} does not belong to the lab .* no signal"):
            processes.member(pid, home)


@needs_root
def test_a_mark_on_another_users_process_counts_for_nothing(tmp_path: Path) -> None:
    """Root can see it, but anybody can wear it."""
    for process in _sleeping({"PATH": os.environ["PATH"], processes.MARK: str(tmp_path)}, user=SOMEBODY):
        assert processes.of_lab(tmp_path) == []
        with pytest.raises(StackError, match="no signal"):
            processes.member(process.pid, tmp_path)


def test_one_that_has_ended_is_nobody(tmp_path: Path, mine: psutil.Process) -> None:
    """Also while its parent has not collected it yet."""
    mine.kill()
    wait_until(lambda: processes.member(mine.pid, tmp_path) is None, "the end of the process")
    processes.send([mine], signal.SIGKILL)


def test_a_number_that_was_given_away_is_not_signalled(mine: psutil.Process, other: psutil.Process) -> None:
    """A process that was looked at long ago, whose pid is now another's: the other goes on."""
    vars(mine)["_pid"] = other.pid
    processes.send([mine], signal.SIGKILL)
    assert other.is_running()
    assert other.status() != psutil.STATUS_ZOMBIE
