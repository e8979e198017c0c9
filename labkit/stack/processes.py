"""The processes of a lab, found without the help of its supervisor: each carries the lab's folder in its environment.

A lab is named by its folder here, and many by a folder above theirs.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import psutil

from labkit.errors import StackError

# In the environment of every process of a lab: its folder, and the name of the service.
MARK = "LABKIT_STACK"
NAME = "LABKIT_SERVICE"
KILL_TIMEOUT = 5.0
POLL = 0.01


def lab_of(process: psutil.Process) -> str | None:
    """Return the folder of the lab to which a process belongs, None if to none or if we may not look."""
    return environment_of(process).get(MARK)


def labs_in(folder: Path) -> list[str]:
    """Return the names of the labs in `folder` of which a process runs."""
    marks = {Path(mark) for process in psutil.process_iter() if (mark := lab_of(process))}
    return sorted(mark.name for mark in marks if mark.parent == folder)


def of_lab(lab: Path, *services: str) -> list[psutil.Process]:
    """Return the processes of a lab, all or those of some services; never one that started us."""
    us = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for process in psutil.process_iter() if process.pid not in us and _is(process, lab, services)]


def member(pid: int, lab: Path) -> psutil.Process | None:
    """Return the process `pid` of a lab, None if it has ended.

    Raises:
        StackError: it is a process, but not one of this lab.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    if not _is(process, lab, ()) and lives(process):
        raise StackError(
            f"Process {pid} does not belong to the lab in {lab}, although its supervisor names it; it gets no signal."
        )
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

    def ended() -> bool:
        return not any(map(lives, processes))

    if wait_until(ended, grace):
        return
    send(processes, signal.SIGKILL)
    if not wait_until(ended, KILL_TIMEOUT):
        pids = ", ".join(str(process.pid) for process in processes if lives(process))
        raise StackError(f"These processes of the lab do not end, even by force: {pids}. Only a restart helps.")


def wait_until(condition: Callable[[], object], timeout: float) -> bool:
    """Return True as soon as `condition()` is true, False if it is not within `timeout` seconds."""
    deadline = monotonic() + timeout
    while not condition():
        if monotonic() > deadline:
            return False
        sleep(POLL)
    return True


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


def environment_of(process: psutil.Process) -> dict[str, str]:
    """Return what a process of this user was started with; nothing for others, whose marks root could see but not
    believe."""
    try:
        return process.environ() if process.uids().real == os.getuid() else {}
    except (psutil.Error, OSError):
        return {}


def lives(process: psutil.Process) -> bool:
    """Return whether a process runs. In a container, the first one may never collect the dead: they are gone."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is(process: psutil.Process, lab: Path, services: tuple[str, ...]) -> bool:
    environment = environment_of(process)
    within = MARK in environment and Path(environment[MARK]).is_relative_to(lab)
    return within and (not services or environment.get(NAME) in services)
