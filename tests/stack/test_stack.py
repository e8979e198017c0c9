"""The lab as a user has it: up, looked at, broken, mended."""

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redis

from harness.process import wait_until
from labkit.errors import StackError
from labkit.stack import SERVICES, Stack, processes
from labkit.stack.logs import log_of

OPTIONS: dict[str, Any] = {"ports": "auto", "scrape_interval": 0.5, "flush_interval": 0.5}


def states(stack: Stack) -> dict[str, str]:
    return {row.service: row.state for row in stack.status()}


ALL_ANSWER = dict.fromkeys(SERVICES, "answering")


def test_up_returns_when_every_service_answers(stack: Stack) -> None:
    """Without any waiting of ours: Redis, the store, the sidecar's page and Prometheus' query."""
    assert states(stack) == ALL_ANSWER
    assert redis.Redis.from_url(stack.urls["redis"]).ping()
    for page in (f"{stack.urls['store']}/docs", f"{stack.urls['sidecar']}/metrics"):
        assert httpx.get(page).status_code == 200


def test_the_web_page_of_prometheus_is_whole(stack: Stack) -> None:
    """Unpacked somewhere, it still finds its scripts and styles, its own and those of other packages."""
    page = httpx.get(stack.urls["prometheus"], follow_redirects=True)
    parts = re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css)\b[^"]*)"', page.text)
    answers = {part: httpx.get(f"{stack.urls['prometheus']}{part}").status_code for part in parts}
    assert parts
    assert answers == dict.fromkeys(parts, 200)


def test_the_way_of_a_value_is_whole(stack: Stack) -> None:
    """A request to the store becomes a sample in Prometheus."""
    httpx.post(f"{stack.urls['store']}/api/store/join").raise_for_status()
    query = {"query": 'user_events{event="joined"}'}

    def held() -> list[Any]:
        result: list[Any] = httpx.get(f"{stack.urls['prometheus']}/api/v1/query", params=query).json()["data"]["result"]
        return [sample for sample in result if float(sample["value"][1]) >= 1]

    wait_until(held, "the request arriving in Prometheus")


def test_down_leaves_nothing_of_what_up_started(home: Path) -> None:
    """The services and their supervisor, and afterwards neither a process nor a file."""
    stack = Stack.up(home=home, **OPTIONS)
    living = processes.of_lab(home)
    stack.down()
    assert len(living) == len(SERVICES) + 1
    assert processes.of_lab(home) == []
    assert list(home.iterdir()) == []


def test_up_takes_what_runs_as_it_is(stack: Stack) -> None:
    """Same processes, same ports, also from another process' point of view."""
    again = Stack.up(home=stack.home, **OPTIONS)
    assert again.urls == stack.urls == Stack.attach(stack.home).urls
    assert again.status() == stack.status()


def test_other_options_are_refused(stack: Stack) -> None:
    """The message says what differs and the way out; nothing is changed."""
    before = stack.status()
    with pytest.raises(StackError, match=r"ports is auto, not fixed; flush_interval is 0.5, not 5.*labkit down"):
        Stack.up(home=stack.home, scrape_interval=0.5)
    assert stack.status() == before


@pytest.mark.parametrize("planted", ["link", "folder"])
def test_a_planted_folder_is_neither_used_nor_emptied(tmp_path: Path, planted: str) -> None:
    """`.labkit` is a link to a thesis, or the thesis itself: every way in refuses it, and every file stays."""
    thesis = tmp_path / ("thesis" if planted == "link" else ".labkit")
    thesis.mkdir(mode=0o700)
    (thesis / "state.json").write_text('{"options": {}, "ports": {"redis": 1}}')
    if planted == "link":
        (tmp_path / ".labkit").symlink_to(thesis)
    for enter in (Stack.up, Stack.clear, Stack.attach, Stack.running, lambda home: log_of("redis", home)):
        with pytest.raises(StackError, match=r"\.labkit (is a link|was not made).*LABKIT_HOME"):
            enter(home=tmp_path)
    assert [path.name for path in thesis.iterdir()] == ["state.json"]
    assert processes.of_lab(tmp_path) == []


def test_down_ends_a_lab_whose_folder_was_exchanged(home: Path) -> None:
    """Its processes are this lab's whatever lies in its place; what lies there stays."""
    stack, thesis = Stack.up(home=home, **OPTIONS), home / "thesis"
    thesis.mkdir()
    (thesis / "data").touch()
    (home / ".labkit").rename(home / "moved")
    (home / ".labkit").symlink_to(thesis)
    with pytest.raises(StackError, match="is a link"):
        stack.down()
    assert processes.of_lab(home) == []
    assert (thesis / "data").exists()
    (home / ".labkit").unlink()


def test_nobody_else_can_read_what_a_lab_leaves(stack: Stack) -> None:
    """What the services write, too: logs, data, the socket."""
    left = list((stack.home / ".labkit").rglob("*"))
    open_to_others = [path for path in left if stat.S_IMODE(path.lstat().st_mode) & 0o077]
    assert {"redis.log", "supervisord.log", "state.json"} <= {path.name for path in left}
    assert open_to_others == []


def test_two_ups_at_once_make_one_lab(home: Path) -> None:
    """The second waits for the first and takes its lab."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: Stack.up(home=home, **OPTIONS), range(2))
    assert first.status() == second.status()
    assert len(processes.of_lab(home)) == len(SERVICES) + 1
    first.down()
    second.down()
    assert processes.of_lab(home) == []


def test_a_killed_redis_stays_dead_until_it_is_started(stack: Stack) -> None:
    """The outage is there to be seen, and what was acknowledged before it is there afterwards."""
    client = redis.Redis.from_url(stack.urls["redis"])
    client.set("mine", "kept")
    stack.kill("redis")
    assert states(stack) == ALL_ANSWER | {"redis": "dead"}
    with pytest.raises(redis.ConnectionError):
        client.ping()
    with pytest.raises(StackError, match=r"redis does not run; start it with stack.start\('redis'\)"):
        stack.kill("redis")
    stack.start("redis")
    assert client.get("mine") == b"kept"


@pytest.mark.parametrize("service", SERVICES)
def test_a_paused_service_hangs_and_comes_back(stack: Stack, service: str) -> None:
    """Its process is the same, before, while and after."""
    before = stack.status()
    with stack.paused(service):
        assert states(stack) == ALL_ANSWER | {service: "paused"}
    assert stack.status() == before


@pytest.mark.parametrize("service", SERVICES)
def test_a_stopped_service_is_away_and_comes_back(stack: Stack, service: str) -> None:
    """Also when the block fails."""
    with pytest.raises(ZeroDivisionError), stack.stopped(service):
        assert states(stack) == ALL_ANSWER | {service: "dead"}
        raise ZeroDivisionError
    assert states(stack) == ALL_ANSWER


def test_up_starts_what_is_dead_and_wakes_what_is_paused(stack: Stack) -> None:
    stack.kill("sidecar")
    stack.stop("store")
    stack.pause("prometheus")
    Stack.up(home=stack.home, **OPTIONS)
    assert states(stack) == ALL_ANSWER


def test_a_paused_service_can_be_stopped_and_killed(stack: Stack) -> None:
    """A hung process is no reason to wait for its answer."""
    for end in (stack.stop, stack.kill):
        stack.pause("store")
        end("store")
        assert states(stack)["store"] == "dead"
        stack.start("store")


def test_logs_are_what_a_service_said(stack: Stack) -> None:
    assert "records to redis://" in stack.logs("store")
    assert stack.logs("store", lines=1).count("\n") == 0


@pytest.mark.parametrize("method", ["kill", "pause", "resume", "stop", "start", "logs"])
def test_an_unknown_service_is_one_clear_message(stack: Stack, method: str) -> None:
    with pytest.raises(StackError, match=r"'grafana' is no service of the lab; they are redis, store, sidecar, prom"):
        getattr(stack, method)("grafana")


def test_without_a_lab_there_is_nothing_to_attach_to(tmp_path: Path) -> None:
    """The message says how to start one, and looking leaves no trace."""
    with pytest.raises(StackError, match=r"No lab runs.*labkit up"):
        Stack.attach(tmp_path)
    assert Stack.clear(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_everything_listens_on_loopback_only(stack: Stack) -> None:
    """No process of the lab has a port that another machine could reach."""
    listening = [
        connection.laddr.ip
        for process in processes.of_lab(stack.home)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN and connection.laddr
    ]
    assert len(listening) == len(SERVICES)
    assert set(listening) == {"127.0.0.1"}


def test_data_can_outlive_a_lab(home: Path) -> None:
    """`down` gives a fresh lab next time, unless it is told to keep the data."""
    stack = Stack.up(home=home, **OPTIONS)
    redis.Redis.from_url(stack.urls["redis"]).set("mine", "kept")
    stack.down(keep_data=True)
    with Stack.up(home=home, **OPTIONS) as stack:
        assert redis.Redis.from_url(stack.urls["redis"]).get("mine") == b"kept"
    with Stack.up(home=home, **OPTIONS) as stack:
        assert redis.Redis.from_url(stack.urls["redis"]).get("mine") is None


def test_the_stack_shows_itself_in_a_notebook(stack: Stack) -> None:
    assert f'<a href="{stack.urls["prometheus"]}"' in stack._repr_html_()
    assert "redis answering" in repr(stack)
    assert re.search(r"redis +answering +\d+ +redis://", repr(stack.table()))
