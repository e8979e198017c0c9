"""The widget: what the browser shows and asks for, and the thread that reads the lab while a browser shows it."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import traitlets

from labkit.errors import LabkitError
from labkit.notebook.live.shown import PLAIN, SHARED, SVG, Bundle, Shown
from labkit.notebook.panel.drawing import describe, draw
from labkit.notebook.panel.latest_job_queue import LatestJobQueue
from labkit.notebook.panel.pipeline_probe import EVENTS, PipelineProbe, StageReading
from labkit.stack import SERVICES, Stack
from labkit.traffic.client import HIGHEST_RATE, LocustClient, require_rate

if TYPE_CHECKING:
    from labkit.traffic.schedule import Shape

EVERY = 1.0
TRAFFIC_TIMEOUT = 0.8
# As long as people need to read a notice, s.
LEGIBLE = 3.0
INTERVALS = ("scrape_interval", "flush_interval")
FAULTS = ("kill", "pause", "resume", "stop", "start")


def controls(stack: Stack | None = None) -> "ControlPanel":
    """Return the control panel of a lab, by default the one that runs: traffic, faults and intervals to turn.

    Beside them it shows, once a second and while other cells run, where the events are: what the application, Redis,
    the sidecar and Prometheus know of one counter, and how old that is. It looks only while somebody watches. Where
    no widget runs, it is a picture of the path as it was.

    Raises:
        StackError: no lab runs.
    """
    return ControlPanel(stack or Stack.attach())


class ControlPanel(Shown):
    """The control panel of one lab; see `controls`.

    Attributes:
        reading: what was seen last, as the browser gets it: `services`, `stages`, `options`, `traffic`, `svg` ...
        notice: the last thing worth saying, with `kind` "news" or "error".
    """

    _esm = SHARED + Path(__file__).with_name("panel.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("panel.css").read_text(encoding="utf-8")
    reading: Any = traitlets.Dict().tag(sync=True)
    notice: Any = traitlets.Dict().tag(sync=True)

    def __init__(self, stack: Stack) -> None:
        self._home, self._name = stack.home, stack.name
        self._probe, self._reading_lock = PipelineProbe(), Lock()
        self._event, self._traffic = EVENTS[0], dict[str, Any]()
        self._stages: list[StageReading] = []
        self._noticed: tuple[Any, Any, float] = (None, None, 0.0)
        self._jobs = LatestJobQueue(self._report_error, self._refresh_soon)
        super().__init__(EVERY)

    def refresh(self) -> None:
        """Read the lab now, and show it; each service that hangs takes a second."""
        with self._reading_lock:
            notice = self.notice
            try:
                self.reading = self._read()
            except Exception as error:  # whatever somebody wrote into Redis: the next look may go well
                self.reading = {"lab": False, "why": _message(error, LabkitError, OSError)}
            self._expire_notice(notice)

    def _expire_notice(self, notice: dict[str, Any]) -> None:
        """Remove a notice when the lab has changed since: it would describe the past."""
        subject = notice.get("text", "").partition(":")[0]
        now = [self.reading.get("lab"), self.reading.get("services", {}).get(subject), self.reading.get("options")]
        said, then, since = self._noticed
        if said is not notice:
            self._noticed = notice, now, monotonic()
        elif then != now and monotonic() - since > LEGIBLE and self.notice is notice:
            self.notice = {}

    def stop(self) -> None:
        """Stop reading the lab until a browser shows the panel again."""
        self._views.clear()
        self._polling.wake()

    def _read(self) -> dict[str, Any]:
        stack = Stack.running(self._home, name=self._name)
        if stack is None:
            return {"lab": False, "why": f"The lab {self._name!r} has ended. Start one: Stack.up() or labkit up"}
        rows = stack.status()
        # Before Locust is asked: while a job changes its traffic, it may still report the old one.
        busy = self._jobs.busy
        before, stages = self._stages, self._probe.read(rows, self._event)
        drawn = [draw(stages, self._event, _moved(before, stages), columns) for columns in (4, 2, 1)]
        self._stages = stages
        return {
            "lab": True,
            "services": {row.service: row.state for row in rows if row.service in SERVICES},
            "stages": [vars(stage) for stage in stages],
            "svg": drawn[0],
            "narrow": drawn[1:],
            "says": describe(stages),
            "event": self._event,
            "options": {name: getattr(stack.options, name) for name in INTERVALS},
            "traffic": {"highest": HIGHEST_RATE, **_flow(stack), **(self._traffic if "traffic" in busy else {})},
            "busy": busy,
        }

    def _work(self) -> None:
        self.refresh()
        self.keep()

    def _refresh_soon(self) -> None:
        self._polling.wake()

    def _told(self, _: Any, message: dict[str, Any], __: Any) -> None:
        """Handle a message from the browser. Long work goes to the job queue: here, the kernel would wait for it."""
        match message:
            case {"do": "here", "view": str(view)}:
                self._here(view)
            case {"do": "gone", "view": str(view)}:
                self._gone(view)
            case {"do": "event", "event": str(event)} if event in EVENTS:
                self._event = event
                self._refresh_soon()
            case {"do": "fault", "service": str(service), "fault": str(fault)} if fault in FAULTS:
                self._run(service, f"{service}: {fault}", lambda stack: getattr(stack, fault)(service))
            case {"do": "tune", "option": str(option), "seconds": seconds} if option in INTERVALS:
                self._run("intervals", f"{option} is {seconds} s", lambda stack: stack.tune(**{option: seconds}))
            case {"do": "traffic", "rate": rate, "shape": str(shape)}:
                self._turn(rate, shape)
            case _:
                self._report_error("panel", LabkitError(f"The panel does not know what to do with {message!r}."))

    def _turn(self, rate: float, shape: str) -> None:
        try:
            require_rate(rate, shape)
        except LabkitError as error:
            self._report_error("traffic", error)
            return
        self._traffic = {"rate": float(rate), "shape": shape}
        self._run("traffic", f"{rate:g} requests per second, {shape}", lambda stack: _send(stack, rate, shape))

    def _run(self, subject: str, what: str, job: Callable[[Stack], None]) -> None:
        def done() -> None:
            job(Stack.attach(self._home, name=self._name))
            self.notice = {"kind": "news", "text": f"{what}: done"}

        self._jobs.submit(subject, done)

    def _report_error(self, subject: str, error: Exception) -> None:
        self.notice = {"kind": "error", "text": f"{subject}: {_message(error, LabkitError)}"}

    def still(self) -> Bundle:
        """Return the path as it is now."""
        if not self.working:
            self.refresh()
        told = self.reading.get("says") or self.reading.get("why", "")
        picture = {SVG: self.reading["svg"]} if "svg" in self.reading else {}
        return {**picture, PLAIN: f"The lab's control panel. {told}"}


def _message(error: Exception, *ours: type[Exception]) -> str:
    """An error as text; those that were not made for people are shown with their type."""
    return str(error) if isinstance(error, ours) else repr(error)


def _moved(before: list[StageReading], after: list[StageReading]) -> list[bool]:
    """Whether something came through each arrow since the last reading."""
    pairs = [(old.value, new.value) for old, new in zip(before[1:], after[1:], strict=False)]
    return [old is not None and new is not None and new > old for old, new in pairs]


def _send(stack: Stack, rate: float, shape: str) -> None:
    # A rate of 0 is no reason to start Locust.
    if rate or "locust" in stack.urls:
        stack.start_traffic(rate, cast("Shape", shape))


def _flow(stack: Stack) -> dict[str, Any]:
    """The traffic that Locust was asked for last, and what it sends; no traffic if it does not run."""
    nothing = {"rate": 0, "shape": "steady"}
    if "locust" not in stack.urls:
        return {**nothing, "sent": 0.0, "failures": 0.0}
    try:
        flow = LocustClient(stack.urls["locust"], timeout=TRAFFIC_TIMEOUT).stats()
    except LabkitError:
        return {**nothing, "sent": None, "failures": None}
    sent = flow.rate if flow.running else 0.0
    return {"rate": flow.wanted, "shape": flow.shape, "sent": sent, "failures": flow.failures}
