"""The folder `.labkit` of this user: in it, each lab has a folder of its own, which has the lab's name."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from labkit.errors import StackError
from labkit.stack.lock import exclusive
from labkit.stack.private import PrivateFolder, Vanished

FOLDER = ".labkit"
# No lab can have this name.
_LOCK = ".lock"
Made = TypeVar("Made")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


def find_home(home: Path | str | None = None) -> Path:
    """Return the folder that holds the labs, in its `.labkit`.

    It is the argument, else the environment variable `LABKIT_HOME`, else the user's home: so every notebook, terminal
    and tile of one user finds the same labs, wherever its server was started.
    """
    return Path(home or os.environ.get("LABKIT_HOME") or Path.home()).expanduser().resolve()


def require_name(name: str) -> str:
    """Return the name of a lab, if it can be one.

    Raises:
        StackError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise StackError(
            f"{name!r} cannot be the name of a lab; take lower case letters, digits, '-', '_' and '.', at most 40."
        )
    return name


class LabsFolder:
    """The labs of one home, a path without links."""

    def __init__(self, home: Path) -> None:
        self.root = home / FOLDER
        self._private = PrivateFolder(self.root)

    def fault(self) -> str:
        """Say why what is there is not labkit's to use; "" if it is, or if nothing is there."""
        return self._private.fault()

    def names(self) -> list[str]:
        """Return what has, by its name, the folder of a lab.

        Raises:
            StackError: the folder of labs is a link, somebody else's, or not made by labkit.
        """
        try:
            names = self._private.names() if self._private.exists() else []
        except Vanished:
            return []
        return [name for name in names if _NAME.fullmatch(name) and (self.root / name).is_dir()]

    def add(self, make: Callable[[], Made]) -> Made:
        """Make a lab's folder with `make`, while nobody clears the folder of labs away."""
        with self._locked():
            return make()

    def clear(self, remove: Callable[[], None] = lambda: None) -> None:
        """Remove a lab's folder with `remove`, while nobody enters it; then this one, unless it holds more."""
        with self._locked():
            remove()
            self._private.remove_if_empty(_LOCK)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with exclusive(self.root / _LOCK, self._open):
            yield

    def _open(self) -> IO[str]:
        while True:
            try:
                self._private.make()
                return self._private.open(_LOCK)
            except Vanished:  # cleared away in between
                continue
