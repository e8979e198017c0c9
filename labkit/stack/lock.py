"""One at a time: a file that is locked by whoever changes the folder it is in."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def exclusive(path: Path, opened: Callable[[], IO[str]]) -> Iterator[None]:
    """Let one at a time go on who locks the file at `path`, which `opened` opens; the others wait.

    The system releases the lock of a killed process.
    """
    while True:
        with opened() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Otherwise the one before us removed the folder, and this file with it.
            if _is_at(file, path):
                yield
                return


def _is_at(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
