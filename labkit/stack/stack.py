"""The lab as one thing: start it, look at it, break it, end it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from labkit.errors import StackError
from labkit.stack import labs, teardown
from labkit.stack.faults import Faults
from labkit.stack.lab import Lab, ServiceStatus, services_table
from labkit.stack.logs import tail
from labkit.stack.options import Options, Start, Taking
from labkit.stack.services import LOCUST, require_service, urls
from labkit.stack.session import session
from labkit.ui.tables import Table

if TYPE_CHECKING:
    from labkit.traffic.schedule import Shape


class Stack(Faults):
    """Redis, the store, a sidecar and Prometheus as local processes that listen on 127.0.0.1.

    Each notebook has a lab of its own, with the notebook's name, found again after a restart of its kernel; it ends
    with the notebook's kernel, ten minutes later. What is started elsewhere is called "lab", and stays until `down`.
    Nothing restarts a service that was killed: it stays dead until `start` or the next `up`, because an outage is
    something to look at. Redis keeps an append-only file, so a Redis that was killed comes back with what it had
    acknowledged. Services are called "redis", "store", "sidecar" and "prometheus".

        with Stack.up(ports="auto", scrape_interval=1.0, flush_interval=1.0) as stack:
            print(stack.urls["prometheus"])
            with stack.stopped("redis"):
                ...
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.home, self.name = lab.folder.home, lab.folder.name
        self.started, self.owner, self.starter = lab.state.started, lab.state.owner, lab.state.starter

    @property
    def options(self) -> Options:
        """What the lab was started with, or has been turned to since."""
        return self._lab.state.options

    @property
    def urls(self) -> dict[str, str]:
        """The URL of each service, with "locust" while it sends customers."""
        return urls(self._lab.state.ports)

    # Starting and ending ---------------------------------------------------------------------------------------

    @classmethod
    @Taking(Start)
    def up(cls, start: Start) -> Self:
        """Start the lab and return once every service answers.

        A lab of this notebook that runs already with the same options is taken as it is; what is dead or paused of it
        is started.

        Raises:
            StackError: this lab runs with other options, or an option makes no sense.
            PortInUse: a documented port belongs to somebody else.
            BinaryNotFound: a program is neither here nor to be fetched.
            ServiceFailed: a service ended or did not answer in time; the message has the end of its log.
        """
        me = session()
        if start.keep:
            me = replace(me, kernel=0)
        with labs.reserved(start.home, me, start.name) as folder:
            return cls(Lab.up(folder, start.options, me, start.on_step, fresh=start.fresh))

    @classmethod
    def attach(cls, home: Path | str | None = None, *, name: str | None = None) -> Self:
        """Return a lab that was started already, as it is: some of its services may be dead.

        It is the one of this `name`, else this notebook's own, else the one that was started last.

        Raises:
            StackError: there is none.
        """
        stack = cls.running(home, name=name)
        if stack is None:
            which = f"No lab {name} runs" if name else "No lab runs"
            raise StackError(f"{which}. Start one: `labkit up`, or Stack.up() in Python.")
        return stack

    @classmethod
    def running(cls, home: Path | str | None = None, *, name: str | None = None) -> Self | None:
        """Return the lab that `attach` would return, or None."""
        folder = labs.find(home, name)
        state = folder.load()
        return cls(Lab(folder, state)) if state else None

    @classmethod
    def all(cls, home: Path | str | None = None) -> list[Self]:
        """Return every lab of this user that was started and not ended, the last one first."""
        return [cls(Lab(folder, state)) for folder, state in labs.started(home).items()]

    @classmethod
    def clear(cls, home: Path | str | None = None, *, name: str | None = None, keep_data: bool = False) -> str:
        """End all that is left of a lab, whoever started it and whatever became of it; return its name, "" if none.

        Its processes, found by their environment, its socket, state, logs and data go. With `keep_data` the data stay,
        and the next `up` goes on with them. Which lab is meant: see `attach`.

        Raises:
            StackError: the lab's folder is a link, somebody else's, or not made by labkit. Its processes end even then.
        """
        folder = labs.find_or_leftover(home, name)
        return folder.name if teardown.clear(folder, keep=("data",) if keep_data else ()) else ""

    @classmethod
    def clear_all(cls, home: Path | str | None = None, *, keep_data: bool = False) -> list[str]:
        """End all that is left of every lab of this user; return the names of those that were there."""
        keep = ("data",) if keep_data else ()
        return [folder.name for folder in labs.leftovers(home) if teardown.clear(folder, keep=keep)]

    def down(self, *, keep_data: bool = False) -> None:
        """End every process of the lab and remove its files. A second time does no harm.

        With `keep_data`, what Redis and Prometheus hold stays for the next `up`.

        Raises:
            StackError: another notebook, or a terminal, started it. `Stack.clear` and `labkit down` end any lab.
        """
        me = session()
        if self.owner != me.owner:
            raise StackError(
                f"The lab {self.name!r} was started by {self.starter}, and goes on. "
                f"To end it all the same: `labkit down --name {self.name}`."
            )
        state = labs.state_of(self._lab.folder)
        if state is None or state.owner == me.owner:  # else ours has ended, and another has its name
            self.clear(self.home, name=self.name, keep_data=keep_data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.owner == session().owner:
            self.down()

    # Looking ---------------------------------------------------------------------------------------------------

    def status(self) -> list[ServiceStatus]:
        """Return how each service is, with "locust" while it sends customers.

        Raises:
            StackError: the lab's supervisor is gone, so nobody knows.
        """
        return self._lab.status()

    def look(self) -> list[ServiceStatus]:
        """Return `status()`, where a lab whose supervisor is gone has only dead services."""
        return self._lab.look()

    def state(self) -> str:
        """Return how the lab is, in a word or two: "answering" if all of it answers."""
        states = {row.service: row.state for row in self.look()}
        bad = [f"{name} {state}" for name, state in states.items() if state != "answering"]
        return "dead" if set(states.values()) == {"dead"} else ", ".join(bad) or "answering"

    def table(self) -> Table:
        """Return `status()` as a table for people, in a notebook or printed.

        Raises:
            StackError: the lab's supervisor is gone.
        """
        return services_table(self.status())

    def logs(self, service: str, lines: int = 50) -> str:
        """Return the last `lines` of what a service printed."""
        return tail(self.log_path(service), lines)

    def log_path(self, service: str) -> Path:
        """Return the file with all that a service printed since the lab was started."""
        return self._lab.folder.log(require_service(service, LOCUST))

    def __repr__(self) -> str:
        return f"<Stack {self.name}: {', '.join(f'{row.service} {row.state}' for row in self.status())}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    # Tuning ----------------------------------------------------------------------------------------------------

    def tune(self, *, scrape_interval: float | None = None, flush_interval: float | None = None) -> None:
        """Change intervals of the lab while it runs, in seconds, and return once everybody knows.

        Nothing is restarted: Prometheus reads its configuration again, and goes by it within five seconds, which is
        how often it looks over its targets; the store is told, and sends what waits there at once. A service that is
        dead takes the new interval when it is started. `options` says what holds, and so does `labkit status --json`;
        the next `up` that asks for the old ones is refused.

        Raises:
            StackError: an interval makes no sense, or the lab is gone.
            ServiceFailed: a service is paused or does not take it; the message says which and what to do.
        """
        with self._lab.folder.locked():
            self._lab.reload()
            wanted = self.options
            if flush_interval is not None:
                wanted = replace(wanted, flush_interval=flush_interval)
            if scrape_interval is not None:
                wanted = replace(wanted, scrape_interval=scrape_interval)
            self._lab.tune_store(replace(self.options, flush_interval=wanted.flush_interval))
            self._lab.tune_prometheus(wanted)

    def start_traffic(self, rate: float = 20.0, shape: "Shape" = "steady") -> None:
        """Send customers through the store until told otherwise; call it again to turn the rate while they come.

        Locust sends them: its web page and API are at `urls["locust"]` from now on (port 8089, or a free one).

        Args:
            rate: requests per second, 0 (nobody) to 200, to the next whole number.
            shape: "steady", or within each minute "ramp" (from nothing to `rate`) or "spike" (`rate` in the middle
                fifth, a fifth of it otherwise).

        Raises:
            LabkitError: `rate` or `shape` makes no sense.
            ServiceFailed: Locust did not start; the message has the end of its log.
        """
        from labkit.traffic.client import LocustClient, require_rate

        require_rate(rate, shape)
        with self._lab.folder.locked():
            self._lab.reload()
            self._lab.start_locust()
        self._lab.await_ready(LOCUST)
        LocustClient(self.urls[LOCUST]).set_rate(rate, shape)

    def stop_traffic(self) -> None:
        """Send everybody home and end Locust. A second time does no harm."""
        with self._lab.folder.locked():
            self._lab.reload()
            self._lab.stop_locust()
