"""The end of a lab: its processes, found by their environment, and its files."""

import signal

from labkit.errors import StackError
from labkit.stack import processes
from labkit.stack.services import LOCUST
from labkit.stack.state import Folder
from labkit.stack.supervisor import STOP_SECONDS


def clear(folder: Folder, *, keep: tuple[str, ...] = ()) -> bool:
    """End all that is left of a lab, whatever became of it, but for files in `keep`; return whether there was any.

    Raises:
        StackError: its folder is a link, somebody else's, or not made by labkit. Its processes end even then.
    """
    if fault := folder.fault():
        end(folder)
        raise StackError(fault)
    if not folder.exists() and not processes.of_lab(folder.root):
        return False
    with folder.locked():
        found = folder.has_state() or bool(processes.of_lab(folder.root))
        remove(folder, keep)
        return found


def remove(folder: Folder, keep: tuple[str, ...]) -> None:
    """End a lab and clear its files. An interruption only makes haste: a lab that is half there is of use to nobody."""
    interruption = None
    while True:
        try:
            end(folder, grace=0 if interruption else STOP_SECONDS)
            folder.clear(keep=keep)
            break
        except KeyboardInterrupt as error:
            interruption = error
    if interruption:
        raise interruption


def end(folder: Folder, grace: float = STOP_SECONDS) -> None:
    """End every process of a lab, whether its supervisor lives or not: Redis after those who write to it."""
    lab = folder.root
    # The store waits for a Redis that hangs.
    processes.send(processes.of_lab(lab), signal.SIGCONT)
    processes.end(processes.of_lab(lab, "store", "sidecar", "prometheus", LOCUST), grace)
    processes.end(processes.of_lab(lab, "redis"), grace)
    # supervisord has nothing to save, and would take its time. Until it has ended, it may start one more.
    while left := processes.of_lab(lab):
        processes.end(left, grace=0)
