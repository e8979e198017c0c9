"""A lab ends with its notebook's kernel, some time later: time enough to restart it.

The lab's supervisor runs this beside the services of a lab that a kernel started.

$ python -m labkit.stack.reaper HOME NAME GRACE
"""

import os
import sys
from pathlib import Path
from time import monotonic, sleep

import psutil

from labkit.stack.labs import state_of
from labkit.stack.processes import MARK, environment_of, lives
from labkit.stack.session import NOTEBOOK
from labkit.stack.state import Folder, State

POLL = 0.5


class Reaper:
    """Who looks whether a lab's notebook still has a kernel: the one that started the lab, or one after a restart."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._kernel: psutil.Process | None = None

    def watch(self, grace: float) -> None:
        """Return when the notebook has had no kernel for `grace` seconds, or when the lab has ended."""
        seen = monotonic()
        while state := state_of(self._folder):
            if self.is_attended(state):
                seen = monotonic()
            elif monotonic() - seen >= grace:
                return
            sleep(POLL)

    def end(self) -> bool:
        """End the lab, unless a kernel has come back to it; return whether it is gone."""
        from labkit.stack import teardown

        with self._folder.locked():
            state = state_of(self._folder)
            if state and self.is_attended(state):
                return False
            teardown.remove(self._folder, keep=())
            return True

    def is_attended(self, state: State) -> bool:
        """Return whether the notebook has a kernel, or somebody has asked since that the lab stays."""
        if not state.kernel:
            return True
        if self._kernel is None or not lives(self._kernel):
            self._kernel = _process(state.kernel) or _successor(state.owner)
        return self._kernel is not None


def _process(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
    return process if lives(process) else None


def _successor(notebook: str) -> psutil.Process | None:
    """Another process that JupyterLab started for this notebook."""
    for process in psutil.process_iter():
        environment = environment_of(process)
        if environment.get(NOTEBOOK) == notebook and MARK not in environment:
            return process
    return None


def _leave() -> bool:
    """Go on as a process that the lab's supervisor did not start, because it will end; False where it did."""
    parent = os.getpid()
    if os.fork():
        return False
    os.setsid()
    while os.getppid() == parent:
        sleep(0.01)
    return True


if __name__ == "__main__":
    reaper = Reaper(Folder(Path(sys.argv[1]), sys.argv[2]))
    reaper.watch(float(sys.argv[3]))
    if _leave():
        while not reaper.end():
            reaper.watch(float(sys.argv[3]))
