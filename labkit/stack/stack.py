"""The lab as one thing: start it, look at it, break it, end it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Self

import psutil

from labkit.errors import ServiceFailed, StackError
from labkit.stack import ending, labs, processes
from labkit.stack.logs import tail
from labkit.stack.options import Options, Ports, Server, Sidecar
from labkit.stack.ports import choose, choose_one, is_free
from labkit.stack.readiness import answers, wait_ready, wait_until
from labkit.stack.services import (
    LOCUST,
    SERVICES,
    Service,
    endpoint,
    locust_service,
    prometheus_config,
    services,
    store_service,
    urls,
)
from labkit.stack.session import Session, session
from labkit.stack.state import Folder, State
from labkit.stack.supervisor import Supervisor
from labkit.stack.tuning import reload_prometheus, set_flush_interval
from labkit.table import Html, table

if TYPE_CHECKING:
    from labkit.store.schedule import Shape

END_TIMEOUT = 15.0
LOG_TAIL = 5


@dataclass(frozen=True)
class ServiceStatus:
    """How one service is. `state` is "answering", "silent" (it lives, but does not answer), "paused" or "dead"."""

    service: str
    state: str
    pid: int | None
    url: str


class Stack:
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

    def __init__(self, folder: Folder, state: State) -> None:
        self.home, self.name, self.options = folder.home, folder.name, state.options
        self.urls: dict[str, str] = urls(state.ports)
        self.started, self.owner, self.starter = state.started, state.owner, state.starter
        self._folder, self._state, self._supervisor = folder, state, Supervisor(folder)

    # Starting and ending ---------------------------------------------------------------------------------------

    @classmethod
    def up(  # noqa: PLR0913  one option, one word
        cls,
        *,
        ports: Ports = "fixed",
        scrape_interval: float = 5.0,
        flush_interval: float = 5.0,
        ttl: float = 1800.0,
        sidecar: Sidecar = "labkit",
        server: Server = "valkey",
        name: str | None = None,
        fresh: bool = False,
        keep: bool = False,
        home: Path | str | None = None,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Start the lab and return once every service answers.

        A lab of this notebook that runs already with the same options is taken as it is; what is dead or paused of it
        is started.

        Args:
            ports: "fixed" (Redis 6379, store 5050, sidecar 9121, Prometheus 9090) or "auto" (free ones).
            scrape_interval: seconds between two scrapes by Prometheus.
            flush_interval: seconds between two batches of the store.
            ttl: seconds that a series of the store lives after its last refresh.
            sidecar: "labkit", or "redis_exporter", the stock one.
            server: "valkey", or "redis", version 7 from the distribution.
            name: of the lab; by default the notebook's, or "lab" outside a notebook.
            fresh: begin with an empty lab, even if this one runs already.
            keep: let it outlive this notebook's kernel, until `down`.
            home: the folder that holds the labs; by default, see `find_home`.
            on_step: told, in a sentence, what takes long.

        Raises:
            StackError: this lab runs with other options, or an option makes no sense.
            PortInUse: a documented port belongs to somebody else.
            BinaryNotFound: a program is neither here nor to be fetched.
            ServiceFailed: a service ended or did not answer in time; the message has the end of its log.
        """
        options = Options(
            ports=ports,
            scrape_interval=scrape_interval,
            flush_interval=flush_interval,
            ttl=ttl,
            sidecar=sidecar,
            server=server,
        )
        me = session()
        if keep:
            me = replace(me, kernel=0)
        with labs.place(home, me, name) as folder:
            return cls._up(folder, options, me, fresh, on_step)

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
        folder = labs.meant(home, name)
        state = folder.load()
        return cls(folder, state) if state else None

    @classmethod
    def all(cls, home: Path | str | None = None) -> list[Self]:
        """Return every lab of this user that was started and not ended, the last one first."""
        return [cls(folder, state) for folder, state in labs.started(home).items()]

    @classmethod
    def clear(cls, home: Path | str | None = None, *, name: str | None = None, keep_data: bool = False) -> str:
        """End all that is left of a lab, whoever started it and whatever became of it; return its name, "" if none.

        Its processes, found by their environment, its socket, state, logs and data go. With `keep_data` the data stay,
        and the next `up` goes on with them. Which lab is meant: see `attach`.

        Raises:
            StackError: the lab's folder is a link, somebody else's, or not made by labkit. Its processes end even then.
        """
        folder = labs.meant_or_left(home, name)
        return folder.name if ending.clear(folder, keep=("data",) if keep_data else ()) else ""

    @classmethod
    def clear_all(cls, home: Path | str | None = None, *, keep_data: bool = False) -> list[str]:
        """End all that is left of every lab of this user; return the names of those that were there."""
        keep = ("data",) if keep_data else ()
        return [folder.name for folder in labs.remains(home) if ending.clear(folder, keep=keep)]

    def down(self, *, keep_data: bool = False) -> None:
        """End every process of the lab and remove its files. A second time does no harm.

        With `keep_data`, what Redis and Prometheus hold stays for the next `up`.

        Raises:
            StackError: another notebook, or a terminal, started it. `Stack.clear` and `labkit down` end any lab.
        """
        state, me = labs.state_of(self._folder), session()
        if self._state.owner != me.owner:
            raise StackError(
                f"The lab {self.name!r} was started by {self._state.starter}, and goes on. "
                f"To end it all the same: `labkit down --name {self.name}`."
            )
        if state is None or state.owner == me.owner:  # else ours has ended, and another has its name
            self.clear(self.home, name=self.name, keep_data=keep_data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._state.owner == session().owner:
            self.down()

    # Looking ---------------------------------------------------------------------------------------------------

    def status(self) -> list[ServiceStatus]:
        """Return how each service is, with "locust" while it sends customers.

        Raises:
            StackError: the lab's supervisor is gone, so nobody knows.
        """
        pids = self._supervisor.pids()
        return [self._status(name, pids.get(name)) for name in self.urls]

    def look(self) -> list[ServiceStatus]:
        """Return `status()`, where a lab whose supervisor is gone has only dead services."""
        if self._supervisor.alive():
            return self.status()
        return [self._status(name, None) for name in self.urls]

    def state(self) -> str:
        """Return how the lab is, in a word or two: "answering" if all of it answers."""
        states = {row.service: row.state for row in self.look()}
        bad = [f"{name} {state}" for name, state in states.items() if state != "answering"]
        return "dead" if set(states.values()) == {"dead"} else ", ".join(bad) or "answering"

    def table(self) -> Html:
        """Return `status()` as a table for people, in a notebook or printed.

        Raises:
            StackError: the lab's supervisor is gone.
        """
        rows = [(row.service, row.state, str(row.pid or ""), row.url) for row in self.status()]
        return table(("service", "state", "pid", "URL"), rows)

    def logs(self, service: str, lines: int = 50) -> str:
        """Return the last `lines` of what a service printed."""
        return tail(self.log_path(service), lines)

    def log_path(self, service: str) -> Path:
        """Return the file with all that a service printed since the lab was started."""
        return self._folder.log(service if service == LOCUST else _known(service))

    def __repr__(self) -> str:
        return f"<Stack {self.name}: {', '.join(f'{row.service} {row.state}' for row in self.status())}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    # Breaking --------------------------------------------------------------------------------------------------

    def kill(self, service: str) -> None:
        """End a service as a crash would (SIGKILL), and return when it is gone. It stays dead until `start`."""
        processes.send([self._living(service)], signal.SIGKILL)
        self._await_end(service)

    def pause(self, service: str) -> None:
        """Make a service hang (SIGSTOP): its port is open, nothing answers. `resume` wakes it."""
        process = self._living(service)
        processes.send([process], signal.SIGSTOP)
        wait_until(lambda: processes.is_paused(process.pid), END_TIMEOUT)

    def resume(self, service: str) -> None:
        """Wake a paused service (SIGCONT), and return once it answers."""
        processes.send([self._living(service)], signal.SIGCONT)
        self._await_ready([service])

    def stop(self, service: str) -> None:
        """End a service in good order (SIGTERM, and SIGKILL after 5 s), and return when it is gone."""
        self._wake(_known(service))
        self._supervisor.stop(service)
        # It may have been told already, by somebody who did not wait.
        self._await_end(service)

    def start(self, service: str) -> None:
        """Start a service that is dead, or wake one that is paused, and return once it answers.

        Raises:
            ServiceFailed: it ended, or did not answer in time; the message has the end of its log.
        """
        self._revive(_known(service))
        self._await_ready([service])

    @contextmanager
    def stopped(self, service: str) -> Iterator[Self]:
        """Run a block while a service is stopped; afterwards it answers again."""
        self.stop(service)
        try:
            yield self
        finally:
            self.start(service)

    @contextmanager
    def paused(self, service: str) -> Iterator[Self]:
        """Run a block while a service hangs; afterwards it answers again."""
        self.pause(service)
        try:
            yield self
        finally:
            self.resume(service)

    # Turning ---------------------------------------------------------------------------------------------------

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
        with self._folder.locked():
            self._catch_up()
            wanted = self.options
            if flush_interval is not None:
                wanted = replace(wanted, flush_interval=flush_interval)
            if scrape_interval is not None:
                wanted = replace(wanted, scrape_interval=scrape_interval)
            self._tune_store(replace(self.options, flush_interval=wanted.flush_interval))
            self._tune_prometheus(wanted)

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
        from labkit.store.tap import Tap, require

        require(rate, shape)
        with self._folder.locked():
            self._catch_up()
            if LOCUST not in self.urls or self._supervisor.pids().get(LOCUST) is None:
                self._launch_locust()
        self._await_ready([LOCUST])
        Tap(self.urls[LOCUST]).turn(rate, shape)

    def stop_traffic(self) -> None:
        """Send everybody home and end Locust. A second time does no harm."""
        with self._folder.locked():
            self._catch_up()
            self._supervisor.stop(LOCUST)
            self._await_end(LOCUST)
            left = {name: port for name, port in self._state.ports.items() if name != LOCUST}
            self._set(replace(self._state, ports=left))

    # -----------------------------------------------------------------------------------------------------------

    @classmethod
    def _up(cls, folder: Folder, options: Options, me: Session, fresh: bool, on_step: Callable[[str], None]) -> Self:
        state = folder.load()
        if state and not fresh and Supervisor(folder).alive():
            return cls(folder, state)._adopted(options, me, on_step)
        ending.end(folder)  # what a supervisor that was killed has left behind, or what ran until now
        same = state is not None and state.options == options
        goes_on = not fresh and (same or state is None)
        folder.clear(keep=("lock", "data") if goes_on else ("lock",))
        held = {name: state.ports[name] for name in SERVICES} if state and same else {}
        ports = held if held and all(map(is_free, held.values())) else choose(options.ports)
        return cls._launched(folder, State(options, ports, time(), me.owner, me.kernel), on_step)

    @classmethod
    def _launched(cls, folder: Folder, state: State, on_step: Callable[[str], None]) -> Self:
        stack = cls(folder, state)
        parts = services(state, folder, on_step)
        try:
            stack._launch(parts)
            stack._await_ready(SERVICES)
        except BaseException:
            # Interrupted or failed, nothing stays but the logs.
            ending.remove(folder, keep=("lock", "logs"))
            raise
        return stack

    def _launch(self, parts: list[Service]) -> None:
        self._folder.create([self.options.server, "prometheus"])
        self._folder.configure_prometheus(prometheus_config(self._state))
        # Before the processes: whoever comes after us, should we be killed now, shall find them.
        self._folder.save(self._state)
        self._supervisor.launch(parts)

    def _adopted(self, options: Options, me: Session, on_step: Callable[[str], None]) -> Self:
        differing = self.options.differences(options)
        if differing:
            raise StackError(
                f"The lab {self.name!r} runs already, with other options: {'; '.join(differing)}. Ask for the same, "
                f"take it as it is (Stack.attach(), `labkit status`), or end it first: labkit down --name {self.name}"
            )
        if self._state.kernel and self._state.owner == me.owner:
            self._set(replace(self._state, kernel=me.kernel))  # the notebook's new kernel takes care of it
        for service in self.urls:
            if self._revive(service):
                on_step(f"Started {service} again")
        self._await_ready(list(self.urls))
        return self

    def _revive(self, service: str) -> bool:
        """Start a service that does not run, wake one that is paused; return whether it was started."""
        if service in self._supervisor.stopping():  # told to end by somebody who did not wait
            self._await_end(service)
        running = self._supervisor.pids()[service] is not None
        if running:
            self._wake(service)
        else:
            self._supervisor.start(service)
        return not running

    def _catch_up(self) -> None:
        """Somebody else may have turned the lab since we looked."""
        state = self._folder.load()
        if state is None:
            raise StackError(f"The lab {self.name!r} has ended. Start one: labkit up")
        self._take(state)

    def _take(self, state: State) -> None:
        self._state, self.options, self.urls = state, state.options, urls(state.ports)

    def _set(self, state: State) -> None:
        self._folder.save(state)
        self._take(state)

    def _tune_store(self, options: Options) -> None:
        if options == self.options:
            return
        if self._awake("store"):
            set_flush_interval(self._state.ports["store"], options.flush_interval)
        state = replace(self._state, options=options)
        self._supervisor.describe(store_service(state))
        self._set(state)

    def _tune_prometheus(self, options: Options) -> None:
        if options == self.options:
            return
        process = self._awake("prometheus")
        state = replace(self._state, options=options)
        self._folder.configure_prometheus(prometheus_config(state))
        if process:
            reload_prometheus(process, self._state.ports["prometheus"])
        self._set(state)

    def _awake(self, service: str) -> psutil.Process | None:
        process = self._process(service)
        if process and processes.is_paused(process.pid):
            raise ServiceFailed(f"{service} is paused and takes no orders; wake it: stack.resume({service!r}).")
        return process

    def _launch_locust(self) -> None:
        ports = {**self._state.ports, LOCUST: choose_one(LOCUST, self.options.ports)}
        self._supervisor.describe(locust_service(replace(self._state, ports=ports)))
        self._set(replace(self._state, ports=ports))
        self._supervisor.start(LOCUST)

    def _status(self, name: str, pid: int | None) -> ServiceStatus:
        if pid is None:
            state = "dead"
        elif processes.is_paused(pid):
            state = "paused"
        else:
            state = "answering" if answers(endpoint(name, self._state)) else "silent"
        return ServiceStatus(name, state, pid, self.urls[name])

    def _living(self, service: str) -> psutil.Process:
        process = self._process(_known(service))
        if process is None:
            raise StackError(f"{service} does not run; start it with stack.start({service!r}).")
        return process

    def _process(self, service: str) -> psutil.Process | None:
        """The process of a service that runs: no signal is sent on the supervisor's word alone."""
        pid = self._supervisor.pids()[service]
        return None if pid is None else processes.member(pid, self._folder.root)

    def _wake(self, service: str) -> None:
        process = self._process(service)
        processes.send([process] if process else [], signal.SIGCONT)

    def _await_end(self, service: str) -> None:
        if not wait_until(lambda: self._supervisor.pids()[service] is None, END_TIMEOUT):
            raise StackError(f"{service} does not end, even by force. Only a restart of the machine helps.")

    def _await_ready(self, names: tuple[str, ...] | list[str]) -> None:
        wait_ready(
            [endpoint(name, self._state) for name in names],
            lambda name: self._supervisor.pids()[name] is None,
            lambda name: f"The end of its log ({self.log_path(name)}):\n{self.logs(name, LOG_TAIL) or '(nothing)'}",
        )


def _known(service: str) -> str:
    if service not in SERVICES:
        raise StackError(f"{service!r} is no service of the lab; they are {', '.join(SERVICES)}.")
    return service
