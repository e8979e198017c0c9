"""One lab that was started: what was noted of it, and its services as processes, each by its name."""

import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from time import time
from typing import Self

import psutil

from labkit.errors import ServiceFailed, StackError
from labkit.stack import processes, teardown
from labkit.stack.logs import tail
from labkit.stack.options import Options
from labkit.stack.ports import choose, choose_one, is_free
from labkit.stack.processes import wait_until
from labkit.stack.readiness import answers, wait_ready
from labkit.stack.services import (
    LOCUST,
    SERVICES,
    endpoint,
    locust_service,
    prometheus_config,
    services,
    store_service,
    urls,
)
from labkit.stack.session import Session
from labkit.stack.state import Folder, State
from labkit.stack.supervisor import Supervisor
from labkit.stack.tuning import reload_prometheus, set_flush_interval
from labkit.ui.tables import Table

END_TIMEOUT = 15.0
LOG_TAIL = 5


@dataclass(frozen=True)
class ServiceStatus:
    """How one service is. `state` is "answering", "silent" (it lives, but does not answer), "paused" or "dead"."""

    service: str
    state: str
    pid: int | None
    url: str


def services_table(rows: Iterable[ServiceStatus]) -> Table:
    """Return the services as a table for people."""
    cells = [(row.service, row.state, str(row.pid or ""), row.url) for row in rows]
    return Table(("service", "state", "pid", "URL"), cells)


class Lab:
    """A lab in its folder. `state` is what was noted when last looked at; who turns the lab catches up first."""

    def __init__(self, folder: Folder, state: State) -> None:
        self.folder, self.state, self._supervisor = folder, state, Supervisor(folder)

    @classmethod
    def up(cls, folder: Folder, options: Options, me: Session, on_step: Callable[[str], None], *, fresh: bool) -> Self:
        """Take the lab that runs in a folder, which is locked, or start one there; see `Stack.up`."""
        state = folder.load()
        if state and not fresh and Supervisor(folder).alive():
            lab = cls(folder, state)
            lab._adopt(options, me, on_step)
            return lab
        teardown.end(folder)  # what a supervisor that was killed has left behind, or what ran until now
        same = state is not None and state.options == options
        goes_on = not fresh and (same or state is None)
        folder.clear(keep=("lock", "data") if goes_on else ("lock",))
        held = {name: state.ports[name] for name in SERVICES} if state and same else {}
        ports = held if held and all(map(is_free, held.values())) else choose(options.ports)
        lab = cls(folder, State(options, ports, time(), me.owner, me.kernel))
        lab._launch(on_step)
        return lab

    def status(self) -> list[ServiceStatus]:
        """Return how each service is; see `Stack.status`."""
        return self._status(self._supervisor.pids())

    def look(self) -> list[ServiceStatus]:
        """Return `status()`, where a lab whose supervisor is gone has only dead services."""
        return self.status() if self._supervisor.alive() else self._status({})

    def running_process(self, service: str) -> psutil.Process:
        """Return the process of a service.

        Raises:
            StackError: it does not run.
        """
        process = self._process(service)
        if process is None:
            raise StackError(f"{service} does not run; start it with stack.start({service!r}).")
        return process

    def ensure_running(self, service: str) -> bool:
        """Start a service that does not run, wake one that is paused; return whether it was started."""
        if service in self._supervisor.stopping():  # told to end by somebody who did not wait
            self.await_end(service)
        running = self._supervisor.pids()[service] is not None
        if running:
            self.wake(service)
        else:
            self._supervisor.start(service)
        return not running

    def wake(self, service: str) -> None:
        """Let a service go on, if it is paused."""
        process = self._process(service)
        processes.send([process] if process else [], signal.SIGCONT)

    def stop(self, service: str) -> None:
        """End a service in good order, and return when it is gone."""
        self._supervisor.stop(service)
        # It may have been told already, by somebody who did not wait.
        self.await_end(service)

    def await_end(self, service: str) -> None:
        """Return when a service has ended."""
        if not wait_until(lambda: self._supervisor.pids()[service] is None, END_TIMEOUT):
            raise StackError(f"{service} does not end, even by force. Only a restart of the machine helps.")

    def await_ready(self, *names: str) -> None:
        """Return when these services answer.

        Raises:
            ServiceFailed: one ended, or did not answer in time; the message has the end of its log.
        """
        wait_ready(
            [endpoint(name, self.state) for name in names],
            lambda name: self._supervisor.pids()[name] is None,
            self._log_tail,
        )

    def reload(self) -> None:
        """Take note of what somebody else may have turned since.

        Raises:
            StackError: the lab has ended.
        """
        state = self.folder.load()
        if state is None:
            raise StackError(f"The lab {self.folder.name!r} has ended. Start one: labkit up")
        self.state = state

    def tune_store(self, options: Options) -> None:
        """Let the store send as often as these options say."""
        if options == self.state.options:
            return
        if self._unpaused_process("store"):
            set_flush_interval(self.state.ports["store"], options.flush_interval)
        state = replace(self.state, options=options)
        self._supervisor.describe(store_service(state))
        self._save(state)

    def tune_prometheus(self, options: Options) -> None:
        """Let Prometheus scrape as often as these options say."""
        if options == self.state.options:
            return
        process = self._unpaused_process("prometheus")
        state = replace(self.state, options=options)
        self.folder.write(self.folder.prometheus_config.name, prometheus_config(state))
        if process:
            reload_prometheus(process, self.state.ports["prometheus"])
        self._save(state)

    def start_locust(self) -> None:
        """Start Locust, unless it runs."""
        if LOCUST in self.state.ports and self._supervisor.pids().get(LOCUST) is not None:
            return
        ports = {**self.state.ports, LOCUST: choose_one(LOCUST, self.state.options.ports)}
        state = replace(self.state, ports=ports)
        self._supervisor.describe(locust_service(state))
        self._save(state)
        self._supervisor.start(LOCUST)

    def stop_locust(self) -> None:
        """End Locust, whose port is nobody's from now on."""
        self.stop(LOCUST)
        left = {name: port for name, port in self.state.ports.items() if name != LOCUST}
        self._save(replace(self.state, ports=left))

    def _launch(self, on_step: Callable[[str], None]) -> None:
        parts = services(self.state, self.folder, on_step)
        try:
            self.folder.create([self.state.options.server, "prometheus"])
            self.folder.write(self.folder.prometheus_config.name, prometheus_config(self.state))
            # Before the processes: whoever comes after us, should we be killed now, shall find them.
            self.folder.save(self.state)
            self._supervisor.launch(parts)
            self.await_ready(*SERVICES)
        except BaseException:
            # Interrupted or failed, nothing stays but the logs.
            teardown.remove(self.folder, keep=("lock", "logs"))
            raise

    def _adopt(self, options: Options, me: Session, on_step: Callable[[str], None]) -> None:
        name, differing = self.folder.name, self.state.options.differences(options)
        if differing:
            raise StackError(
                f"The lab {name!r} runs already, with other options: {'; '.join(differing)}. Ask for the same, "
                f"take it as it is (Stack.attach(), `labkit status`), or end it first: labkit down --name {name}"
            )
        if self.state.kernel and self.state.owner == me.owner:
            self._save(replace(self.state, kernel=me.kernel))  # the notebook's new kernel takes care of it
        for service in self.state.ports:
            if self.ensure_running(service):
                on_step(f"Started {service} again")
        self.await_ready(*self.state.ports)

    def _save(self, state: State) -> None:
        self.folder.save(state)
        self.state = state

    def _status(self, pids: dict[str, int | None]) -> list[ServiceStatus]:
        found = urls(self.state.ports).items()
        return [ServiceStatus(name, self._state_of(name, pids.get(name)), pids.get(name), url) for name, url in found]

    def _state_of(self, name: str, pid: int | None) -> str:
        if pid is None:
            return "dead"
        if processes.is_paused(pid):
            return "paused"
        return "answering" if answers(endpoint(name, self.state)) else "silent"

    def _process(self, service: str) -> psutil.Process | None:
        """The process of a service that runs: no signal is sent on the supervisor's word alone."""
        pid = self._supervisor.pids()[service]
        return None if pid is None else processes.member(pid, self.folder.root)

    def _unpaused_process(self, service: str) -> psutil.Process | None:
        process = self._process(service)
        if process and processes.is_paused(process.pid):
            raise ServiceFailed(f"{service} is paused and cannot be tuned; wake it first: stack.resume({service!r}).")
        return process

    def _log_tail(self, name: str) -> str:
        log = self.folder.log(name)
        return f"The end of its log ({log}):\n{tail(log, LOG_TAIL) or '(nothing)'}"
