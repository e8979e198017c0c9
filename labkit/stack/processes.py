"""The processes of a lab, found without the help of its supervisor: each carries the lab's home in its environment."""

import os
import signal
from pathlib import Path
from time import monotonic, sleep

import psutil

from labkit.errors import StackError

# In the environment of every process of a lab: its home, and the name of the service.
MARK = "LABKIT_STACK"
NAME = "LABKIT_SERVICE"
KILL_TIMEOUT = 5.0
POLL = 0.01


def lab_of(process: psutil.Process) -> str | None:
    """Return the home of the lab to which a process belongs, None if to none or if we may not look."""
    return _environment(process).get(MARK)


def of_lab(home: Path, *services: str) -> list[psutil.Process]:
    """Return the processes of the lab in `home`, all or those of some services; never one that started us."""
    us = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for process in psutil.process_iter() if process.pid not in us and _is(process, home, services)]


def member(pid: int, home: Path) -> psutil.Process | None:
    """Return the process `pid` of the lab in `home`, None if it has ended.

    Raises:
        StackError: it is a process, but not one of this lab.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    if not _is(process, home, ()) and _lives(process):
        raise StackError(f"Process {pid} is said to be of the lab in {home}, but is not; it is left alone.")
    return process


def listener(port: int) -> psutil.Process | None:
    """Return who listens on a TCP port, as far as we may see."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                return psutil.Process(connection.pid)
    except psutil.Error:
        return None
    return None


def is_paused(pid: int) -> bool:
    """Return whether a process is stopped by a signal."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def send(processes: list[psutil.Process], what: signal.Signals) -> None:
    """Send a signal to those that still live, and to nobody who was given the number of one that does not."""
    for process in processes:
        try:
            _send(process, what)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue


def end(processes: list[psutil.Process], grace: float) -> None:
    """End processes: politely, and after `grace` seconds by force. Paused ones too.

    Raises:
        StackError: one survives even that.
    """
    send(processes, signal.SIGTERM)
    # A paused process gets the message when it goes on.
    send(processes, signal.SIGCONT)
    if _ended(processes, grace):
        return
    send(processes, signal.SIGKILL)
    if not _ended(processes, KILL_TIMEOUT):
        pids = ", ".join(str(process.pid) for process in processes if _lives(process))
        raise StackError(f"These processes of the lab do not end, even by force: {pids}. Only a restart helps.")


def _send(process: psutil.Process, what: signal.Signals) -> None:
    if not hasattr(os, "pidfd_open"):  # macOS
        process.send_signal(what)
        return
    # A pid may be given to another process at any moment, a descriptor stays with the one that was looked at.
    handle = os.pidfd_open(process.pid)
    try:
        if process.is_running():
            signal.pidfd_send_signal(handle, what)
    finally:
        os.close(handle)


def _ended(processes: list[psutil.Process], timeout: float) -> bool:
    deadline = monotonic() + timeout
    while any(map(_lives, processes)):
        if monotonic() > deadline:
            return False
        sleep(POLL)
    return True


def _lives(process: psutil.Process) -> bool:
    # In a container, the first process may never collect the dead: they are gone all the same.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is(process: psutil.Process, home: Path, services: tuple[str, ...]) -> bool:
    environment = _environment(process)
    return environment.get(MARK) == str(home) and (not services or environment.get(NAME) in services)


def _environment(process: psutil.Process) -> dict[str, str]:
    """What a process of this user was started with; nothing for others, whose marks root could see but not believe."""
    try:
        return process.environ() if process.uids().real == os.getuid() else {}
    except (psutil.Error, OSError):
        return {}
