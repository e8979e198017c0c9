"""Whatever dies, and however, `down` leaves nothing and `up` makes a whole lab."""

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from harness.process import wait_until
from labkit.errors import PortInUse, ServiceFailed, StackError
from labkit.stack import SERVICES, Stack, ports, processes
from labkit.stack.state import Folder

OPTIONS: dict[str, Any] = {"ports": "auto", "scrape_interval": 0.5, "flush_interval": 0.5}
STARTER = """
import sys, time
from labkit.stack import Stack
Stack.up(home=sys.argv[1], ports="auto", scrape_interval=0.5, flush_interval=0.5)
print("up", flush=True)
time.sleep(600)
"""


def start_elsewhere(home: Path) -> "subprocess.Popen[str]":
    """Start a lab from a process of its own, as a notebook's kernel does."""
    return subprocess.Popen([sys.executable, "-c", STARTER, str(home)], stdout=subprocess.PIPE, text=True)


def kill(process: "subprocess.Popen[str]") -> None:
    with process:
        process.kill()


def kill_supervisor(home: Path) -> None:
    (supervisor,) = processes.of_lab(home, "supervisord")
    supervisor.kill()
    wait_until(lambda: not processes.of_lab(home, "supervisord"), "the end of supervisord")


def all_answer(stack: Stack) -> bool:
    return all(row.state == "answering" for row in stack.status())


def test_a_lab_outlives_the_process_that_started_it(home: Path) -> None:
    """A kernel that is killed leaves a whole lab, which anybody can attach to and end."""
    starter = start_elsewhere(home)
    assert starter.stdout
    assert starter.stdout.readline() == "up\n"
    kill(starter)
    stack = Stack.attach(home)
    assert all_answer(stack)
    stack.down()
    assert processes.of_lab(home) == []


def test_a_starter_killed_half_way_leaves_a_lab_that_can_be_taken_over(home: Path) -> None:
    """Its lock is released, and what it had started is found."""
    starter = start_elsewhere(home)
    wait_until(lambda: processes.of_lab(home, "redis"), "the start of Redis")
    kill(starter)
    with Stack.up(home=home, **OPTIONS) as stack:
        assert all_answer(stack)
        assert len(processes.of_lab(home)) == len(SERVICES) + 1
    assert processes.of_lab(home) == []


def test_an_interrupted_up_leaves_no_process(home: Path) -> None:
    """Ctrl-C while the services start: what was started is ended."""
    starter = start_elsewhere(home)
    wait_until(lambda: processes.of_lab(home, "redis"), "the start of Redis")
    starter.send_signal(signal.SIGINT)
    with starter:
        assert starter.wait(20) != 0
    assert processes.of_lab(home) == []
    assert not Folder(home).socket.exists()


def test_down_works_without_supervisord(home: Path) -> None:
    """Killed with -9, it leaves orphans, one of them paused then: they are known by their environment."""
    stack = Stack.up(home=home, **OPTIONS)
    kill_supervisor(home)
    assert len(processes.of_lab(home)) == len(SERVICES)
    processes.send(processes.of_lab(home, "redis"), signal.SIGSTOP)
    with pytest.raises(StackError, match=r"supervisor of the lab .* is gone.*labkit up.*labkit down"):
        stack.status()
    stack.down()
    assert processes.of_lab(home) == []
    assert list(home.iterdir()) == []
    assert not Folder(home).socket.parent.exists()


def test_down_works_without_its_files(home: Path) -> None:
    """Somebody removed `.labkit` under a running lab."""
    Stack.up(home=home, **OPTIONS)
    Folder(home).clear()
    assert Stack.clear(home) == "lab"
    assert processes.of_lab(home) == []


def test_up_works_without_supervisord(home: Path) -> None:
    """The orphans are ended, and the lab is started again on the same ports with the same data."""
    stack = Stack.up(home=home, **OPTIONS)
    redis.Redis.from_url(stack.urls["redis"]).set("mine", "kept")
    kill_supervisor(home)
    with Stack.up(home=home, **OPTIONS) as again:
        assert again.urls == stack.urls
        assert redis.Redis.from_url(again.urls["redis"]).get("mine") == b"kept"
        assert len(processes.of_lab(home)) == len(SERVICES) + 1


def test_up_works_with_a_damaged_state_after_down(home: Path) -> None:
    """The message of the damage names `labkit down`, and that helps."""
    Stack.up(home=home, **OPTIONS)
    (Folder(home).root / "state.json").write_text("{")
    with pytest.raises(StackError, match="labkit down"):
        Stack.up(home=home, **OPTIONS)
    Stack.clear(home)
    assert processes.of_lab(home) == []
    assert Folder(home).load() is None


def test_a_home_may_be_deep_and_awkward(home: Path) -> None:
    """Longer than a socket's path may be, with characters that mean something to supervisord and to the shell."""
    deep = home / "a b'c\"%(x)s ;d #e" / "/".join(["deep"] * 30)
    with Stack.up(home=deep, server="redis", sidecar="redis_exporter", **OPTIONS) as stack:
        assert all_answer(stack)
        stack.kill("redis")
        stack.start("redis")
    assert processes.of_lab(deep) == []


def test_a_service_that_ends_while_it_starts_fails_at_once(home: Path) -> None:
    """The error has the end of its log; here, somebody took its port."""
    with Stack.up(home=home, **OPTIONS) as stack:
        stack.stop("store")
        port = int(stack.urls["store"].rpartition(":")[2])
        with (
            socket.create_server((ports.HOST, port)),
            pytest.raises(ServiceFailed, match=rf"(?s)^store ended while it started.*Port {port} .* is taken"),
        ):
            stack.start("store")
        stack.start("store")
        assert all_answer(stack)


def test_a_port_of_another_lab_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the other lab's home and how to end it; nothing is started."""
    with Stack.up(home=home / "one", **OPTIONS) as other:
        port = int(other.urls["sidecar"].rpartition(":")[2])
        monkeypatch.setitem(ports.FIXED, "sidecar", port)
        monkeypatch.setattr(ports, "FIXED", ports.choose("auto") | {"sidecar": port})
        with pytest.raises(
            PortInUse, match=rf"Port {port} .* by the lab 'lab' in {home}/one.*LABKIT_HOME.*--ports auto"
        ):
            Stack.up(home=home / "two")
    assert processes.of_lab(home / "two") == []


def test_an_environment_of_another_redis_does_no_harm(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password for another server, in the variables of ours or of the stock exporter, is not sent to the lab's."""
    monkeypatch.setenv("LABKIT_REDIS_PASSWORD", "secret")
    monkeypatch.setenv("REDIS_PASSWORD", "secret")
    with Stack.up(home=home, sidecar="redis_exporter", **OPTIONS) as stack:
        environments = [process.environ() for process in processes.of_lab(home)]
        assert all_answer(stack)
    assert not any("secret" in environment.values() for environment in environments)
