"""Users and passwords: each user may do what it must and nothing else, and no secret is shown."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from secrets import token_hex
from threading import Event

import httpx
import psutil
import pytest
import redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.utils import str_if_bytes
from starlette.testclient import TestClient

from harness.process import Process, answers, free_port, wait_until
from harness.redis_server import RedisServer
from harness.sidecar_process import StockExporter
from labkit import RedisMetricsService
from labkit.cli.app import run
from labkit.errors import BinaryNotFound, FlushError
from labkit.keyspace.connection import connect
from labkit.keyspace.keys import Keys
from labkit.resources import resource
from labkit.sidecar.exporter import create_app
from labkit.sidecar.mirror import Mirror
from labkit.stack import binaries
from labkit.stack.binaries import Program
from labkit.stack.options import Options, Sidecar
from labkit.stack.services import services
from labkit.stack.state import Folder, State
from tests import ROOT
from tests.redis_server import SERVERS, start_server

FILE = resource("configs", "redis", "users.acl")
SNIPPETS = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/access.md").read_text(encoding="utf-8"), re.DOTALL)
PASSWORDS = {name: token_hex(16) for name in ("ADMIN", "WRITER", "SIDECAR")}
OPEN = "user default on nopass ~* &* +@all\n"
# What a client says about itself, and what else the stock exporter would like to know; refused without harm.
OPTIONAL = {"client|setinfo", "config|get", "latency|histogram", "latency|latest", "slowlog|get", "slowlog|len"}
READ_ONLY = "-lua-script-read-only"
# Commands that the server lets everybody call: they are how a client becomes a user.
DOORS = {"auth", "hello", "quit", "reset"}


def as_user(server: RedisServer, user: str) -> redis.Redis:
    return redis.Redis(port=server.port, username=f"labkit-{user.lower()}", password=PASSWORDS[user])


def url(server: RedisServer, user: str) -> str:
    return f"redis://labkit-{user.lower()}:{PASSWORDS[user]}@127.0.0.1:{server.port}/0"


def granted(user: str) -> set[str]:
    line = re.search(rf"^user labkit-{user.lower()} .*", FILE.read_text(), re.MULTILINE)
    assert line
    return set(re.findall(r" \+(\S+)", line[0]))


def refused(admin: redis.Redis) -> set[str]:
    """What users have been refused since the log was last emptied."""
    return {str(entry["object"]) for entry in admin.acl_log() if isinstance(entry, dict)} - OPTIONAL


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server with the users of the committed file, given passwords as docs/access.md says."""
    folder = tmp_path_factory.mktemp("access")
    (folder / "configs").symlink_to(ROOT / "configs")
    subprocess.run(["/bin/sh", "-ec", SNIPPETS[0]], cwd=folder, env=os.environ | PASSWORDS, check=True)
    made = (folder / "users.acl").read_text()
    # Open until it answers; its own users from then on.
    (folder / "users.acl").write_text(OPEN)
    server = start_server(request.param, folder, "--aclfile", str(folder / "users.acl"))
    (folder / "users.acl").write_text(made)
    server.client.acl_load()
    server.client.close()
    server.client = redis.Redis(port=server.port, username="admin", password=PASSWORDS["ADMIN"])
    yield server
    server.close()


@pytest.fixture
def admin(server: RedisServer) -> redis.Redis:
    """A user who may do everything, on an empty server without scripts."""
    server.client.flushall()
    server.client.script_flush()
    server.client.acl_log_reset()
    return server.client


@pytest.fixture(params=[None, "sid"], ids=["own", "sid"])
def stock_exporter(request: pytest.FixtureRequest) -> Program:
    """The machine's own redis_exporter, then one that can do without EVAL."""
    try:
        return binaries.find("redis_exporter", release=request.param)
    except BinaryNotFound as error:
        pytest.skip(f"redis_exporter of {request.param} was not run: {error}")


@pytest.fixture
def stock_page(server: RedisServer, stock_exporter: Program, tmp_path: Path) -> Iterator[str]:
    """The URL of a stock redis_exporter that reads as the sidecar's user."""
    access = {"REDIS_USER": "labkit-sidecar", "REDIS_PASSWORD": PASSWORDS["SIDECAR"]}
    options = ["-set-client-name=false", "-redis.addr", f"redis://127.0.0.1:{server.port}"]
    options += [READ_ONLY] if READ_ONLY in _help(stock_exporter) else []
    with StockExporter(tmp_path, *options, program=stock_exporter, **access) as exporter:
        yield f"{exporter.url}/metrics"


def _help(program: Program) -> str:
    environment = os.environ | program.environment
    done = subprocess.run([str(program.path), "-help"], env=environment, capture_output=True, text=True, check=False)
    return done.stderr


# What they may ------------------------------------------------------------------------------------------------


def record(server: RedisServer) -> None:
    """Everything a writer does: new series, old ones, all kinds, and the removal of some."""
    with RedisMetricsService(url(server, "WRITER"), flush_interval=600) as metrics:
        events = metrics.counter("user_events", "What users did.", ["event"])
        events.labels(event="joined").inc(3)
        metrics.gauge("users", "Users.", shared="sum").set(2)
        metrics.histogram("took", "Time.", buckets=[1, 2]).observe(1.5)
        metrics.flush()
        events.labels(event="joined").inc(4)


def test_a_writer_and_the_sidecar_work_as_their_users(server: RedisServer, admin: redis.Redis) -> None:
    """From the record to the page and through the whole keyspace, nothing is refused."""
    record(server)
    with TestClient(create_app(url(server, "SIDECAR"))) as sidecar:
        text = sidecar.get("/metrics").text
    assert 'user_events{event="joined"} 7\n' in text
    assert 'took_bucket{le="2.0"} 1\n' in text
    mirror = Mirror(connect(url(server, "SIDECAR")), Keys())
    mirror.walk(Event())
    assert len(mirror) > 3
    assert refused(admin) == set()


def test_series_are_removed_as_the_writer(server: RedisServer, admin: redis.Redis) -> None:
    """`remove` and `clear` need no right that the user lacks."""
    with RedisMetricsService(url(server, "WRITER"), flush_interval=600) as metrics:
        events = metrics.counter("user_events", "What users did.", ["event"])
        for event in ("joined", "served", "left"):
            events.labels(event=event).inc()
        metrics.flush()
        events.remove(event="joined")
        metrics.flush()
        assert sorted(admin.keys("metrics:counter:user_events:*")) == [
            b"metrics:counter:user_events:event=left",
            b"metrics:counter:user_events:event=served",
        ]
        events.clear()
        metrics.flush()
    assert admin.keys("metrics:counter:user_events:*") == []
    assert refused(admin) == set()


def test_the_stock_exporter_works_as_the_sidecar(server: RedisServer, admin: redis.Redis, stock_page: str) -> None:
    """It runs the script and is up; what else it would like to know is refused without harm."""
    record(server)
    text = httpx.get(stock_page, trust_env=False).text
    assert re.search(r'\nredis_script_values{(filename=".*",)?key="user_events{event=\\"joined\\"}"} 7\n', text)
    assert "\nredis_up 1\n" in text
    assert refused(admin) == set()


# What they may not ----------------------------------------------------------------------------------------------

WRITES = [
    "SET metrics:counter:c 1",
    "DEL metrics:counter:c",
    "HSET metrics.state version 9",
    "ZADD metrics.index 1 metrics:counter:c",
    "EVALSHA {sha} 1 metrics:counter:c",
]
BOTH = [
    "GET foreign",
    "SET foreign 1",
    "MGET metrics:counter:c foreign",
    "HGETALL foreign.hash",
    "ZRANGE foreign.zset 0 -1",
    "GET metricsx",
    "KEYS *",
    "RANDOMKEY",
    "FLUSHALL",
    "FLUSHDB",
    "CONFIG GET requirepass",
    "CONFIG SET maxmemory 1",
    "ACL LIST",
    "ACL SETUSER labkit-writer +@all",
    "CLIENT LIST",
    "CLIENT KILL TYPE normal",
    "MONITOR",
    "SUBSCRIBE metrics",
    "PUBLISH metrics 1",
    "DUMP metrics:counter:c",
    "COPY metrics:counter:c foreign",
    "RENAME metrics:counter:c foreign",
    "MIGRATE 127.0.0.1 1 metrics:counter:c 0 1",
    "REPLICAOF 127.0.0.1 1",
    "SCRIPT FLUSH",
    "FUNCTION LIST",
    "SAVE",
    "SHUTDOWN",
]
TABLE = [("SIDECAR", command) for command in BOTH + WRITES] + [("WRITER", command) for command in BOTH]


@pytest.mark.parametrize(("user", "command"), TABLE)
def test_what_is_refused(server: RedisServer, admin: redis.Redis, user: str, command: str) -> None:
    """Foreign keys, lists of keys and clients, administration; and every write of the sidecar."""
    admin.set("foreign", "x")
    before = sorted(admin.keys())
    sha = admin.script_load("return redis.call('SET', KEYS[1], 1)")
    with as_user(server, user) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command.format(sha=sha).split())
    assert sorted(admin.keys()) == before
    assert admin.get("foreign") == b"x"


@pytest.mark.parametrize(
    ("user", "command", "body"),
    [
        ("WRITER", "EVALSHA", "redis.call('SET', 'foreign', 1)"),
        ("WRITER", "EVALSHA", "return redis.call('GET', 'foreign')"),
        ("WRITER", "EVALSHA", "return redis.call('KEYS', '*')"),
        ("WRITER", "EVALSHA", "return redis.call('FLUSHALL')"),
        ("SIDECAR", "EVAL", "redis.call('SET', 'metrics:counter:c', 1)"),
        ("SIDECAR", "EVAL", "redis.call('DEL', 'foreign')"),
        ("SIDECAR", "EVAL", "return redis.call('GET', 'foreign')"),
        ("SIDECAR", "EVALSHA_RO", "return redis.call('GET', 'foreign')"),
        ("SIDECAR", "EVAL", "return redis.call('PUBLISH', 'metrics', 1)"),
    ],
)
def test_a_script_may_do_no_more_than_its_user(
    server: RedisServer, admin: redis.Redis, user: str, command: str, body: str
) -> None:
    """A key that no one declared and a command that is not granted are refused inside it, too."""
    admin.set("foreign", "x")
    script = body if command == "EVAL" else admin.script_load(body)
    with as_user(server, user) as client, pytest.raises(ResponseError, match=r"ACL failure|can't (access|run)"):
        client.execute_command(command, script, 0)
    assert admin.keys() == [b"foreign"]
    assert admin.get("foreign") == b"x"


def verdict(admin: redis.Redis, user: str, command: str) -> str:
    """What the server would tell this user, whatever the number of arguments."""
    for arguments in range(12):
        try:
            words = (*command.split("|"), *["metrics:x"] * arguments)
            return str(str_if_bytes(admin.acl_dryrun(f"labkit-{user.lower()}", *words)))
        except ResponseError as error:
            assert "wrong number" in str(error), (command, error)
    raise AssertionError(command)


@pytest.mark.parametrize("user", ["WRITER", "SIDECAR"])
def test_every_other_command_is_refused(server: RedisServer, admin: redis.Redis, user: str) -> None:
    """Of all commands that the server knows, each is granted by name in the file, or refused."""
    categories = [str_if_bytes(name) for name in admin.acl_cat()]
    commands = {str_if_bytes(name) for category in categories for name in admin.acl_cat(category)}
    assert len(commands) > 300
    containers = {name.partition("|")[0] for name in commands if "|" in name}
    others = commands - granted(user) - DOORS - containers
    assert [name for name in others if "no permissions to run" not in verdict(admin, user, name)] == []


@pytest.mark.parametrize(
    ("user", "script", "itself"),
    [
        ("WRITER", "flush.lua", {"evalsha", "script|load", "zscan"}),
        ("SIDECAR", "redis-exporter.lua", {"eval", "eval_ro", "evalsha_ro", "info", "scan", "script|load"}),
    ],
)
def test_nothing_is_granted_that_is_not_called(user: str, script: str, itself: set[str]) -> None:
    """The rights are what the script calls, and what its caller calls besides; no more and no less."""
    text = resource("lua", script).read_text(encoding="utf-8")
    assert granted(user) == itself | {name.lower() for name in re.findall(r'call\("([A-Z]+)"', text)}


# Giving passwords ----------------------------------------------------------------------------------------------


def test_the_committed_file_lets_nobody_in(server: RedisServer, admin: redis.Redis) -> None:
    """Without passwords there is no way in: not as a user of the file, not as the default user."""
    assert "#" not in FILE.read_text()
    file = Path(str(admin.config_get("aclfile")["aclfile"]))
    ours = file.read_text()
    try:
        file.write_text(FILE.read_text() + ours.splitlines()[-1] + "\n")
        admin.acl_load()
        for user in ("default", "labkit-writer", "labkit-sidecar"):
            with pytest.raises(AuthenticationError), connect(f"redis://{user}@127.0.0.1:{server.port}") as client:
                client.ping()
        with pytest.raises(AuthenticationError), connect(f"redis://127.0.0.1:{server.port}") as client:
            client.ping()
    finally:
        file.write_text(ours)
        admin.acl_load()


def test_a_running_server_takes_the_users(redis_client: redis.Redis, redis_server: RedisServer, tmp_path: Path) -> None:
    """As docs/access.md pipes them: with the rights of the file, whatever they were before."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    cli = binaries.find("redis-cli")
    environment = os.environ | cli.environment | PASSWORDS
    command = SNIPPETS[0] + SNIPPETS[1].replace("redis-cli", f"'{cli.path}' -p {redis_server.port}")
    redis_client.acl_setuser("labkit-writer", enabled=True, nopass=True, keys=["*"], categories=["+@all"])
    try:
        subprocess.run(["/bin/sh", "-ec", command], cwd=tmp_path, env=environment, check=True)
        assert as_user(redis_server, "SIDECAR").getrange("metrics:x", 0, 0) in ("", b"")
        with pytest.raises(NoPermissionError):
            as_user(redis_server, "WRITER").get("foreign")
    finally:
        redis_client.acl_deluser("labkit-writer", "labkit-sidecar")


# What is shown ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["url", "environment"])
def test_a_password_opens_and_stays_hidden(
    server: RedisServer, admin: redis.Redis, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the URL or in the environment, it does its work and no `repr` has it."""
    address = url(server, "WRITER")
    if place == "environment":
        monkeypatch.setenv("LABKIT_REDIS_PASSWORD", PASSWORDS["WRITER"])
        address = address.replace(f":{PASSWORDS['WRITER']}", "")
    with RedisMetricsService(address, flush_interval=600) as metrics:
        counter = metrics.counter("c", "Help.")
        counter.inc()
        metrics.flush()
        shown = f"{metrics!r} {counter!r} {connect(address)!r}"
    assert admin.exists("metrics:counter:c") == 1
    assert PASSWORDS["WRITER"] not in shown


def test_a_refused_password_is_in_no_log_and_no_error(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """The message names the user, not the password; the sidecar's page and log say as little."""
    address = url(server, "WRITER").replace(PASSWORDS["WRITER"], "s3cret-word")
    metrics = RedisMetricsService(address, flush_interval=600)
    metrics.counter("c", "Help.").inc()
    with pytest.raises(FlushError, match=r"redis://labkit-writer:\*\*\*@") as caught:
        metrics.close(1)
    with TestClient(create_app(address)) as sidecar:
        page = sidecar.get("/metrics").text
    assert "\nredis_up 0.0\n" in page
    assert "invalid username-password pair" in caplog.text
    assert "s3cret" not in f"{caught.value} {metrics!r} {page} {caplog.text}"


def test_an_option_takes_no_password(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody could read it there; the message names the variables, and not the password."""
    assert run(["exporter", "--redis", "redis://:s3cret@127.0.0.1:1/0"]) == 2
    said = capsys.readouterr().err
    assert "LABKIT_REDIS_URL" in said and "LABKIT_REDIS_PASSWORD" in said
    monkeypatch.setenv("LABKIT_REDIS_URL", "redis://:s3cret@127.0.0.1:1/0?nonsense=1")
    assert run(["exporter", "--listen", f"127.0.0.1:{free_port()}"]) == 1
    said += capsys.readouterr().err
    assert "unknown option" in said
    assert "s3cret" not in said


def command_lines(processes: list[Process]) -> str:
    """What everybody can read of these processes and of all that they started."""
    parents = [psutil.Process(process.pid) for process in processes]
    family = [each for parent in parents for each in (parent, *parent.children(recursive=True))]
    return "\n".join(Path(f"/proc/{each.pid}/cmdline").read_text().replace("\0", " ") for each in family)


def traffic(store_port: int) -> tuple[str, ...]:
    where = f"http://127.0.0.1:{store_port}"
    return (sys.executable, "-m", "labkit", "traffic", "--url", where, "--rate", "20", "--duration", "2")


@pytest.mark.parametrize("sidecar", ["labkit", "redis_exporter"])
def test_no_password_is_in_the_list_of_processes(
    server: RedisServer, admin: redis.Redis, sidecar: Sidecar, tmp_path: Path
) -> None:
    """Redis, the store, a sidecar and customers, started as the lab starts them, with passwords in the environment."""
    ports = {"redis": server.port, "store": free_port(), "sidecar": free_port(), "prometheus": free_port()}
    parts = services(State(Options(sidecar=sidecar, flush_interval=0.5), ports), Folder(tmp_path))
    by_name, log = {part.name: part for part in parts}, tmp_path / "log"
    inside = {"LABKIT_REDIS_URL": url(server, "WRITER")}
    beside = {"LABKIT_REDIS_URL": f"redis://labkit-sidecar@127.0.0.1:{server.port}/0", "REDIS_USER": "labkit-sidecar"}
    beside |= dict.fromkeys(("LABKIT_REDIS_PASSWORD", "REDIS_PASSWORD"), PASSWORDS["SIDECAR"])
    running: list[Process] = [server]
    try:
        for name, access in (("store", inside), ("sidecar", beside)):
            ready = partial(answers, f"http://127.0.0.1:{ports[name]}/-/healthy")
            running.append(Process(by_name[name].command, log, ready, by_name[name].environment | access))
        running.append(Process(traffic(ports["store"]), log, environment=beside))
        wait_until(lambda: admin.exists("metrics:counter:user_events:event=joined"), "a flush")
        lines = command_lines(running)
        assert "user_events" in httpx.get(f"http://127.0.0.1:{ports['sidecar']}/metrics", trust_env=False).text
        assert running[-1].process.wait(30) == 0
    finally:
        for process in running[1:]:
            process.close()
    assert all(word in lines for word in ("-server", " store ", "exporter", " traffic "))
    assert not [word for word in PASSWORDS.values() if word in lines + log.read_text()]
