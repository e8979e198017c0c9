"""supervisord for one lab: the process that runs the services, so that they outlive the command that started them.

It is spoken to through its socket. It never restarts a service by itself: an outage is something to look at.
"""

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable
from http.client import HTTPConnection, HTTPException
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from labkit.errors import ServiceFailed, StackError
from labkit.stack.processes import MARK, NAME
from labkit.stack.services import LOCUST, SUPERVISOR, Service
from labkit.stack.session import NOTEBOOK
from labkit.stack.state import Folder
from labkit.web.callers import ALLOWED

STOP_SECONDS = 5

# All paths are relative to the folder of the lab: they may hold blanks, and characters that mean something here.
_CONFIG = """\
[supervisord]
directory=.
logfile=logs/supervisord.log
pidfile=supervisord.pid
childlogdir=logs
umask=077
{user}
[unix_http_server]
file={socket}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

_PROGRAM = """
[program:{name}]
command=/bin/sh run/{name}
autostart={autostart}
autorestart=false
startretries=0
startsecs=0
stopwaitsecs={stop_seconds}
redirect_stderr=true
stdout_logfile=logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=1
"""


class Supervisor:
    """The supervisord of the lab in one folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def launch(self, services: Iterable[Service]) -> None:
        """Start supervisord and, with it, all services at once. It detaches itself from us.

        Raises:
            ServiceFailed: it did not start.
        """
        self._write(services)
        root = self._folder.root
        command = [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", "supervisord.conf"]
        # Variables that mean another Redis, with another password, are not for this lab; nor is it a notebook.
        foreign = ("LABKIT_", "REDIS_", NOTEBOOK)
        ours = {name: value for name, value in os.environ.items() if name == ALLOWED or not name.startswith(foreign)}
        environment = ours | {MARK: str(self._folder.root), NAME: SUPERVISOR}
        done = subprocess.run(
            command, cwd=root, env=environment, check=False, umask=0o077,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            raise ServiceFailed(f"supervisord did not start: {done.stderr.strip() or f'code {done.returncode}'}")

    def describe(self, service: Service) -> None:
        """Say how a service is started from now on; one that runs is left as it is."""
        self._folder.write(f"run/{service.name}", service.script)

    def alive(self) -> bool:
        """Return whether it answers."""
        try:
            self._ask("getState")
        except (OSError, HTTPException):
            return False
        return True

    def pids(self) -> dict[str, int | None]:
        """Return the process id of each service, None for one that does not run.

        Raises:
            StackError: supervisord itself is gone.
        """
        known = self._call("getAllProcessInfo")
        return {info["name"]: info["pid"] or None for info in known}

    def stopping(self) -> set[str]:
        """Return the services that were told to end, and still run."""
        return {info["name"] for info in self._call("getAllProcessInfo") if info["statename"] == "STOPPING"}

    def start(self, service: str) -> None:
        """Start a service that does not run.

        Raises:
            ServiceFailed: it cannot be started at all.
        """
        self._call("startProcess", service, False)

    def stop(self, service: str) -> None:
        """End a service and return when it has ended: SIGTERM, and SIGKILL after `STOP_SECONDS`."""
        self._call("stopProcess", service)

    def _ask(self, method: str, *arguments: str | bool) -> Any:
        # The transport knows the socket; the address is only for show.
        with ServerProxy("http://127.0.0.1", transport=_Transport(self._folder)) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def _call(self, method: str, *arguments: str | bool) -> Any:
        try:
            return self._ask(method, *arguments)
        except Fault as fault:
            if fault.faultString.startswith(("ALREADY_STARTED", "NOT_RUNNING")):
                return None
            raise ServiceFailed(f"supervisord refused {method}{arguments}: {fault.faultString}.") from None
        except (OSError, HTTPException):
            raise StackError(
                f"The supervisor of the lab {self._folder.name!r} is gone. "
                "`labkit up` starts the lab again, `labkit down` clears it away."
            ) from None

    def _write(self, services: Iterable[Service]) -> None:
        # Root is welcome here; unless it is named, supervisord warns of it.
        user = "user=root\n" if os.getuid() == 0 else ""
        text = _CONFIG.format(user=user, socket=self._folder.socket)
        for service in services:
            self.describe(service)
            text += _program(service.name)
        text += _program(LOCUST, autostart="false")
        self._folder.write("supervisord.conf", text)


class _Connection(HTTPConnection):
    """HTTP over the lab's socket, if nobody but this user can be at its other end."""

    def __init__(self, folder: Folder) -> None:
        super().__init__("localhost")
        self._folder = folder

    def connect(self) -> None:
        if fault := self._folder.socket_fault():
            raise StackError(fault)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._folder.socket))
        if _peer(self.sock) != os.getuid():
            raise StackError(f"Another user listens at {self._folder.socket}, and not the lab's supervisor; remove it.")


class _Transport(SupervisorTransport):  # type: ignore[misc]  # it has no annotations
    def __init__(self, folder: Folder) -> None:
        super().__init__(None, None, f"unix://{folder.socket}")
        self._get_connection = lambda: _Connection(folder)


def _peer(connection: socket.socket) -> int:
    """The user who listens at the other end, where the system says so."""
    if not hasattr(socket, "SO_PEERCRED"):  # macOS, where the folder alone must do
        return os.getuid()
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", told)[1])


def _program(name: str, autostart: str = "true") -> str:
    return _PROGRAM.format(name=name, stop_seconds=STOP_SECONDS, autostart=autostart)
