"""A widget in a notebook, and beside it the picture that is there when it is not.

They are outputs of their own. In one, everybody would take the widget, also where none runs: JupyterLab in a notebook
that is opened again, and nbconvert. A style says which of them is to be seen.
"""

import os
import sys
from pathlib import Path
from time import monotonic, thread_time
from typing import Any

import anywidget
from IPython.display import publish_display_data

from labkit.notebook.live.polling_thread import PollingThread
from labkit.notebook.live.viewers import CELLS, EXPECTED, Viewers, somebody_is_there
from labkit.ui.tables import Html

Bundle = dict[str, Any]

_NOT_LIVE = "This is how it was when the cell ran. It is live in JupyterLab."

# The picture in the notebook is as old as this, s, or older if it is dear: it takes no more than `_SHARE` of a core.
_OLD, _SHARE = 60.0, 0.004
# Who scrolls up and down leaves often; a picture is made after this, s.
_AGAIN = 10.0
SVG, PLAIN = "image/svg+xml", "text/plain"

# What the scripts of all widgets begin with. As text: of a file, anywidget would tell every widget that was ever made
# when it changes, and keep it for that.
SHARED = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

# The picture gives way to the widget where that is live, and what is said of a widget that is gone gives way to it.
_STYLE = """<style class="labkit-style">
.jp-OutputArea-child:has(.labkit-style),
.jp-OutputArea-child:has(img[src*="labkit-still"]):has(+ .jp-OutputArea-child .labkit-shown),
.jp-OutputArea-child:has(img[src*="labkit-still"]) + .jp-OutputArea-child:not(:has(.labkit-live, .lk-controls))
{ display: none; }
</style>"""


class Shown(anywidget.AnyWidget):
    """Shows itself and its picture; `close` is called when its last cell is run again.

    While somebody looks, a thread works every `every` seconds. The heirs say what it does, what the picture is, and
    what becomes of what a browser says.
    """

    # Whether the picture of the last moment is to be left.
    leaving = False
    _cells, _picture_id, _kept, _due = 0, "", 0.0, 0.0

    def __init__(self, every: float, **traits: Any) -> None:
        self._views, self._polling = Viewers(), PollingThread(self._work, self._wanted, every)
        super().__init__(**traits)
        self.on_msg(self._told)

    def still(self) -> Bundle:
        """Return the picture as a bundle of types, and as text."""
        raise NotImplementedError

    def _work(self) -> None:
        """Find out what is new, and `keep` it."""
        raise NotImplementedError

    def _told(self, _: Any, message: dict[str, Any], __: Any) -> None:
        """A browser says something."""
        raise NotImplementedError

    @property
    def working(self) -> bool:
        """Whether a thread is at work at this moment."""
        return self._polling.running

    def _wanted(self) -> bool:
        return self.leaving or self._views.anybody

    def _here(self, view: str) -> None:
        self._views.add(view)
        if self._wanted():
            self._polling.start()

    def _gone(self, view: str) -> None:
        self._views.remove(view)
        self.leaving = not self._views.anybody
        self._polling.wake()

    def open(self) -> None:
        """Tell the browser, if there may be one."""
        if somebody_is_there():
            super().open()

    def close(self) -> None:
        """Look no more, and take it away. Showing it again makes it anew."""
        self._views.clear()
        self._polling.wake()
        super().close()
        self.leaving, self._picture_id = False, ""
        self.__dict__.pop("_repr_mimebundle_", None)  # ipywidgets would never show it again

    def _ipython_display_(self, **_: Any) -> None:
        """Show the widget, and for those who do not run it, its picture."""
        widget, metadata, still = self._made()
        if not widget or _takes_one_output():
            publish_display_data(widget | still, metadata)
            return
        self._picture_id, self._kept = os.urandom(16).hex(), monotonic()
        self._due = self._kept + _OLD
        publish_display_data({"text/html": _STYLE})
        publish_display_data(_beside(still), transient={"display_id": self._picture_id})
        publish_display_data(widget | {PLAIN: still[PLAIN]}, metadata)

    def _repr_mimebundle_(self, **_: Any) -> tuple[Bundle, Bundle]:
        """Return both in one, for who asks for it."""
        widget, metadata, still = self._made()
        return widget | still, metadata

    def _display_(self) -> Html:
        """Return what marimo shows, where no widget of a Jupyter kernel runs."""
        still = self.still()
        return Html(f"{still.get(SVG, '')}<p>{_NOT_LIVE}</p>", still[PLAIN])

    def _made(self) -> tuple[Bundle, Bundle, Bundle]:
        """The widget, if there may be a browser, its metadata, and the picture."""
        if self.comm is None:
            self.open()
        still = self.still()
        if self.comm is None:
            return {}, {}, still
        self._cells += CELLS.shows(self._cell_runs_again)
        self._here(EXPECTED)
        widget, metadata = super()._repr_mimebundle_() or ({}, {})
        return widget, metadata, still

    def keep(self) -> None:
        """Let the notebook keep the picture of now, if the one it has is old, or nobody looks any more."""
        leaving, self.leaving = self.leaving, False
        if self._picture_id and monotonic() >= (self._kept + _AGAIN if leaving else self._due):
            began = thread_time()
            publish_display_data(_beside(self.still()), transient={"display_id": self._picture_id}, update=True)
            self._kept = monotonic()
            self._due = self._kept + max(_OLD, (thread_time() - began) / _SHARE)

    def _cell_runs_again(self) -> None:
        self._cells -= 1
        if not self._cells:
            self.close()


def _beside(still: Bundle) -> Bundle:
    """The picture alone, as it is kept beside a widget; without one, its text."""
    if SVG not in still:
        return {PLAIN: still[PLAIN]}
    return {SVG: still[SVG].replace("<svg ", "<svg id='labkit-still' ", 1), PLAIN: still[PLAIN]}


def _takes_one_output() -> bool:
    """Whether the notebook's program would show both, but then takes the widget only where it runs."""
    return "VSCODE_PID" in os.environ or "google.colab" in sys.modules
