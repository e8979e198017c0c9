"""The widget: what the browser is told, and what it says."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from time import time
from typing import Any

import traitlets

from labkit.errors import LabkitError, QueryError
from labkit.notebook.live.script import VERSION, script
from labkit.notebook.live.shown import PLAIN, SHARED, SVG, Bundle, Shown
from labkit.notebook.live.sources import Caption, Find, Source, dashboard_source, source
from labkit.notebook.live.update_stream import UpdateStream
from labkit.notebook.live.viewers import somebody_is_there
from labkit.plotting.panels import HasPanels
from labkit.plotting.picture import bundle, draw
from labkit.prometheus.query import Duration, Prometheus, seconds
from labkit.stack import Stack


def live(  # noqa: PLR0913  what to show, and five ways to say how
    what: str | HasPanels | Callable[[], object],
    every: Duration = 1.0,
    last: Duration = "2m",
    *,
    title: str = "",
    unit: str = "",
    prometheus: Prometheus | None = None,
) -> "LiveFigure":
    """Return a figure that stays up to date in its place while other cells run.

    It works while somebody looks: not while it is scrolled away or its page is hidden, and no more once its cell is
    run again or cleared. If Prometheus goes away, it says so, and goes on by itself. Where no widget runs (papermill,
    nbconvert, a saved notebook on a web page) it is a figure of how things were.

    Args:
        what: PromQL; `labkit.dashboard`; or a function without arguments that returns a plotly figure, which is
            called in another thread than the notebook's cells.
        every: the time between two looks.
        last: the time that is shown.
        title: of a query; by default the query itself.
        unit: of a query's values, such as "ms" or "events/s".
        prometheus: is asked; by default that of the lab that runs.

    Raises:
        QueryError: Prometheus refused the query or does not answer now, or `what` is nothing of the kind.
        StackError: no lab runs, and no `prometheus` was given.
    """
    if isinstance(what, HasPanels):
        return live_dashboard(every, last, prometheus=prometheus)
    pace, span = _durations(every, last)
    return _figure(source(what, _finder(prometheus), pace, span, Caption(title, unit)), pace)


def live_dashboard(
    every: Duration = 1.0, last: Duration = "2m", *, prometheus: Prometheus | None = None
) -> "LiveFigure":
    """Return the dashboard as a figure that stays up to date. The arguments and errors are those of `live`."""
    pace, span = _durations(every, last)
    return _figure(dashboard_source(_finder(prometheus), span), pace)


def _durations(every: Duration, last: Duration) -> tuple[float, float]:
    pace, span = seconds(every), seconds(last)
    if pace >= span:
        raise QueryError(f"every={every!r} must be shorter than last={last!r}: a line needs two points.")
    return pace, span


def _finder(prometheus: Prometheus | None) -> Find:
    return (lambda: prometheus) if prometheus else _OfTheLab()


def _figure(source: Source, every: float) -> "LiveFigure":
    updates = UpdateStream(source)
    updates.ask(time())
    return LiveFigure(updates, every)


class _OfTheLab:
    """The Prometheus of a lab, wherever it is by now; a lab that is started meanwhile is another one."""

    def __init__(self) -> None:
        self._lab: Stack | None = None

    def __call__(self) -> Prometheus:
        self._lab = Stack.attach(self._lab.home, name=self._lab.name) if self._lab else Stack.attach()
        return Prometheus(self._lab.urls["prometheus"])


class LiveFigure(Shown):
    """A live figure; see `live`.

    Attributes:
        state: "running", or "stopped" by `stop` or by the button on the page.
        notice: why nothing new comes; empty if all is well.
    """

    _esm = SHARED + Path(__file__).with_name("live.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("live.css").read_text(encoding="utf-8")
    title: Any = traitlets.Unicode().tag(sync=True)
    state: Any = traitlets.Unicode("running").tag(sync=True)
    notice: Any = traitlets.Unicode().tag(sync=True)
    places: Any = traitlets.List().tag(sync=True)
    # What the first views begin with, even if the kernel is busy; from then on they are told what is new.
    first: Any = traitlets.Dict().tag(sync=True)
    script: Any = traitlets.Unicode().tag(sync=True)
    version: Any = traitlets.Unicode(VERSION).tag(sync=True)

    def __init__(self, updates: UpdateStream, every: float) -> None:
        self._updates, self._guard, self._behind = updates, Lock(), False
        super().__init__(every, title=updates.source.title, places=updates.source.places)

    def open(self) -> None:
        """Tell the browser, if there may be one."""
        if somebody_is_there():
            self.script = script().model_id
            self.first = self._updates.whole()
        super().open()

    def start(self) -> None:
        """Go on after `stop`. It begins to work as soon as somebody looks."""
        self.state = "running"
        if self._views.anybody:
            self._polling.start()

    def stop(self) -> None:
        """Look no more; what was drawn stays."""
        self.state = "stopped"
        self.leaving = True
        self._polling.wake()

    # The thread ------------------------------------------------------------------------------------------------

    def _wanted(self) -> bool:
        return self._behind or self.leaving or (self.state == "running" and self._views.anybody)

    def _work(self) -> None:
        with self._guard:
            if self.state == "running":
                self._ask()
            # A view that no browser has made yet would miss what is only sent once.
            everything = self._behind or not self._views.known
            self._behind = False
            message = self._updates.whole() if everything else self._updates.change()
            if message:
                self.send(message)
        self.keep()

    def _ask(self) -> None:
        try:
            self._updates.ask(time())
            self.notice = ""
        except LabkitError as error:
            self.notice = str(error)
        except Exception as error:  # of the function that draws: its author shall read it, and it may recover
            self.notice = f"{self.title}: {error!r}"

    # The browser -----------------------------------------------------------------------------------------------

    def _told(self, _: Any, message: dict[str, Any], __: Any) -> None:
        match message:
            case {"do": "here", "view": str(view), "has": has}:
                self._behind = self._behind or not has
                if not has:
                    self._polling.wake()
                self._here(view)
            case {"do": "gone", "view": str(view)}:
                self._gone(view)
            case {"do": "start"}:
                self.start()
            case {"do": "stop"}:
                self.stop()

    # Where no widget runs --------------------------------------------------------------------------------------

    def still(self) -> Bundle:
        """Return the figure as it is known: as a picture, and where nothing is live, as plotly's data, too."""
        with self._guard:
            figure = self._updates.source.still()
        told = {PLAIN: f"Live figure: {self.title}"}
        if self.comm is None:
            return bundle(figure) | told
        picture = draw(figure)
        return told | ({SVG: picture} if picture else {})
