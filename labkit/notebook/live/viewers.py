"""Who looks at a live figure: the views in browsers, and the notebook's cells that show it.

A view says that it is there as long as its part of the page is visible. A kernel that runs a cell may not hear it, so
silence counts only while it listens.
"""

import os
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Any
from weakref import WeakMethod

from IPython.core.getipython import get_ipython

# A view repeats itself every 15 s, in the background once a minute; one that is silent for longer, s, is gone.
FORGOTTEN_AFTER = 90.0
# What views said while a cell ran is heard within this time, s, after it.
HEARD_AFTER = 5.0
# Shown, but no browser has made a view of it yet.
EXPECTED = "expected"


def somebody_is_there() -> bool:
    """Whether this kernel serves a person: papermill, nbval and nbconvert say that nobody can be asked for input.

    So does Voila, which shows the page to somebody all the same.
    """
    voila = os.environ.get("SERVER_SOFTWARE", "").startswith("voila")
    return voila or bool(getattr(getattr(get_ipython(), "kernel", None), "_allow_stdin", False))


class Cells:
    """What the kernel's cells do: whether one runs, and which figure to stop when a cell is run again."""

    def __init__(self) -> None:
        self.running, self.idle_since = False, monotonic()
        self._shown: dict[str, list[WeakMethod[Callable[[], None]]]] = {}
        self._shell: Any = None

    def shows(self, end: Callable[[], None]) -> bool:
        """Note that the cell that runs now shows something; call the method `end` when that cell is run again.

        Return false if cells have no names here, so that it will not be called.
        """
        shell: Any = get_ipython()
        if shell is None or not hasattr(shell, "get_parent"):
            return False
        if shell is not self._shell:
            self._shell, self.running = shell, True
            shell.events.register("pre_run_cell", self._begins)
            shell.events.register("post_run_cell", self._ends)
        cell = (shell.get_parent() or {}).get("metadata", {}).get("cellId")
        if cell:
            self._shown.setdefault(cell, []).append(WeakMethod(end))
        return bool(cell)

    def _begins(self, info: Any) -> None:
        self.running = True
        for reference in self._shown.pop(info.cell_id, ()):
            if end := reference():
                end()

    def _ends(self, _: Any) -> None:
        self.running, self.idle_since = False, monotonic()


CELLS = Cells()


class Viewers:
    """The views of one figure. May be used from several threads."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}
        self._lock = Lock()

    def add(self, view: str) -> None:
        """Note that a view is there."""
        with self._lock:
            if view != EXPECTED:
                self._heard.pop(EXPECTED, None)
            self._heard[view] = monotonic()

    def remove(self, view: str) -> None:
        with self._lock:
            self._heard.pop(view, None)

    def clear(self) -> None:
        with self._lock:
            self._heard.clear()

    @property
    def known(self) -> bool:
        """Whether a browser has answered yet, and hears what is sent."""
        with self._lock:
            return bool(self._heard.keys() - {EXPECTED})

    @property
    def anybody(self) -> bool:
        """Whether anybody looks, or may."""
        with self._lock:
            now = monotonic()
            if not CELLS.running and now - CELLS.idle_since >= HEARD_AFTER:
                self._heard = {view: at for view, at in self._heard.items() if now - at < FORGOTTEN_AFTER}
            return bool(self._heard)
