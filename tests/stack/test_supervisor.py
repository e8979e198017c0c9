"""Only the lab's own supervisor is believed: a real server pretends to be it, in each of the ways there are."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.errors import StackError
from labkit.stack import Stack
from labkit.stack.options import Options
from labkit.stack.state import Folder, State
from tests.stack.somebody import SOMEBODY, needs_root

STATE = State(Options(), {"redis": 1, "store": 2, "sidecar": 3, "prometheus": 4})
# What supervisord answers to getAllProcessInfo, with the process that somebody wants dead.
PRETENDER = """
import os, socket, sys
from socketserver import UnixStreamServer
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

class Handler(SimpleXMLRPCRequestHandler):
    disable_nagle_algorithm = False
    def address_string(self): return ""
    def log_message(self, *_): pass

class Server(UnixStreamServer, SimpleXMLRPCDispatcher):
    logRequests = False
    def server_bind(self): pass

server = Server("", Handler, bind_and_activate=False)
SimpleXMLRPCDispatcher.__init__(server)
server.socket = socket.socket(fileno=int(sys.argv[1]))
os.setuid(int(sys.argv[3]))
server.server_activate()
told = [{"name": "redis", "pid": int(sys.argv[2]), "statename": "RUNNING"}]
server.register_function(lambda: told, "supervisor.getAllProcessInfo")
print("ready", flush=True)
server.serve_forever()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """The folder of a lab that was started, without its supervisor."""
    folder = Folder(tmp_path)
    folder.create([])
    folder.save(STATE)
    yield folder
    folder.clear()


@pytest.fixture
def victim() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of this user that has nothing to do with the lab."""
    with subprocess.Popen(["sleep", "600"]) as victim:
        yield victim
        victim.kill()


def pretend(folder: Folder, victim: "subprocess.Popen[bytes]", user: int | None = None) -> Iterator[Stack]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder.socket))
        arguments = [listener.fileno(), victim.pid, os.getuid() if user is None else user]
        command = [sys.executable, "-c", PRETENDER, *map(str, arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[listener.fileno()]) as server:
            assert server.stdout
            assert server.stdout.readline() == b"ready\n"
            yield Stack.attach(folder.home)
            server.kill()


def refuses_to_signal(stack: Stack, why: str) -> None:
    for act in (stack.kill, stack.pause, stack.resume, stack.stop):
        with pytest.raises(StackError, match=why):
            act("redis")


def test_a_pid_that_is_not_the_labs_is_left_alone(folder: Folder, victim: "subprocess.Popen[bytes]") -> None:
    """Even when this user's own supervisor names it: a process without the lab's mark gets no signal."""
    for stack in pretend(folder, victim):
        refuses_to_signal(stack, f"Process {victim.pid} does not belong to .* no signal")
    assert victim.poll() is None


@needs_root
def test_a_supervisor_of_another_user_is_not_asked(folder: Folder, victim: "subprocess.Popen[bytes]") -> None:
    """The system says who listens."""
    for stack in pretend(folder, victim, user=SOMEBODY):
        refuses_to_signal(stack, "Another user listens at .*, and not the lab's supervisor")
    assert victim.poll() is None


def test_a_socket_in_a_folder_for_others_is_not_asked(folder: Folder, victim: "subprocess.Popen[bytes]") -> None:
    """It is looked at each time, and not only when it is made."""
    for stack in pretend(folder, victim):
        folder.socket.parent.chmod(0o777)
        refuses_to_signal(stack, "is not a private folder of yours.*LABKIT_HOME")
        folder.socket.parent.chmod(0o700)
    assert victim.poll() is None


@needs_root
def test_a_socket_in_the_folder_of_another_user_is_not_asked(folder: Folder, victim: "subprocess.Popen[bytes]") -> None:
    """Who guessed its name and was quicker makes the lab fail, and nothing else."""
    for stack in pretend(folder, victim):
        os.chown(folder.socket.parent, SOMEBODY, SOMEBODY)
        refuses_to_signal(stack, "is not a private folder of yours")
        os.chown(folder.socket.parent, 0, 0)
    assert victim.poll() is None
