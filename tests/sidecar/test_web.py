"""The sidecar as a process: what people start, scrape, signal and break."""

import http.client
import shutil
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha1
from pathlib import Path
from time import monotonic

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from harness.process import wait_until
from harness.redis_server import RedisServer
from harness.sidecar_process import SidecarProcess
from labkit import RedisMetricsService
from labkit.sidecar.serving import Limits
from labkit.stack import binaries
from tests import ROOT

SERIES = "c_total 3"
SCRAPE_TIMEOUT = 10  # s, that of Prometheus


def record(url: str) -> None:
    with RedisMetricsService(url) as metrics:
        metrics.counter("c_total", "Help.").inc(3)
        metrics.flush()


def lines(sidecar: SidecarProcess) -> list[str]:
    return httpx.get(f"{sidecar.url}/metrics", trust_env=False, timeout=SCRAPE_TIMEOUT).text.splitlines()


def value(sidecar: SidecarProcess, name: str) -> float:
    """What the page says for a sample without labels."""
    text = httpx.get(f"{sidecar.url}/metrics", params={"name[]": name}, trust_env=False, timeout=SCRAPE_TIMEOUT).text
    return float(next(iter(parse(text))).samples[0].value)


@pytest.fixture
def sidecar(own_server: RedisServer, tmp_path: Path) -> Iterator[SidecarProcess]:
    """A sidecar beside a Valkey that holds one series."""
    record(own_server.url)
    with SidecarProcess(own_server.url, tmp_path) as sidecar:
        yield sidecar


# Faults


def test_it_survives_what_happens_to_redis(own_server: RedisServer, sidecar: SidecarProcess) -> None:
    """Slow, it is waited for; paused or killed, the page says so within a scrape; back, its series are there."""
    assert {SERIES, "redis_up 1.0"} <= set(lines(sidecar))
    own_server.client.client_pause(400)
    assert {SERIES, "redis_up 1.0"} <= set(lines(sidecar))
    for hurt, heal in ((own_server.pause, own_server.resume), (own_server.kill, own_server.start)):
        hurt()
        page = lines(sidecar)
        assert "redis_up 0.0" in page
        assert SERIES not in page
        heal()
        wait_until(lambda: {SERIES, "redis_up 1.0"} <= set(lines(sidecar)), "the recovery")


def test_it_follows_a_failover(tmp_path: Path) -> None:
    """The primary is killed and its replica answers in its place: the page is the replica's."""
    program, at_once = binaries.find("valkey-server"), ("--repl-diskless-sync-delay", "0")
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    primary, replica = (RedisServer(program, folder, "--unixsocket", str(folder / "s"), *at_once) for folder in folders)
    address = tmp_path / "s"
    address.symlink_to(folders[0] / "s")
    replica.client.replicaof("127.0.0.1", primary.port)
    record(primary.url)
    wait_until(lambda: replica.client.exists("metrics:counter:c_total"), "the replication")
    with SidecarProcess(f"unix://{address}?db=0", tmp_path) as sidecar:
        assert SERIES in lines(sidecar)
        primary.kill()
        replica.client.replicaof("NO", "ONE")
        address.unlink()
        address.symlink_to(folders[1] / "s")
        wait_until(lambda: {SERIES, "redis_up 1.0"} <= set(lines(sidecar)), "the recovery")
    primary.close()
    replica.close()


def test_scrapes_at_once_share_one_refresh(own_server: RedisServer, sidecar: SidecarProcess) -> None:
    """Twenty that come while Redis is slow share its answers, and each gets its page."""
    before = value(sidecar, "labkit_sidecar_refresh_seconds_count")
    own_server.client.client_pause(500)
    with ThreadPoolExecutor(20) as scrapers:
        pages = list(scrapers.map(lambda _: lines(sidecar), range(20)))
    assert all(SERIES in page for page in pages)
    # On a busy machine some come late, and share another refresh.
    assert value(sidecar, "labkit_sidecar_refresh_seconds_count") - before <= 10


def test_ten_thousand_scrapes_leave_memory_flat(own_server: RedisServer, sidecar: SidecarProcess) -> None:
    """While series come, change and go."""
    memory = psutil.Process(sidecar.process.pid).memory_info
    client = http.client.HTTPConnection("127.0.0.1", sidecar.port)
    accept = [{"Accept": "application/openmetrics-text"}, {"Accept-Encoding": "gzip"}]
    sizes = []
    with RedisMetricsService(own_server.url) as metrics:
        took = metrics.histogram("took", "Help.", ["round"])
        for scrape in range(10_000):
            if scrape % 50 == 0:
                took.labels(round=str(scrape % 500)).observe(1)
                took.remove(round=str((scrape + 250) % 500))
                metrics.flush()
            client.request("GET", "/metrics", headers=accept[scrape % 2])
            assert b"redis_up 1.0\n" in client.getresponse().read()
            sizes.append(memory().rss)
    client.close()
    assert sizes[-1] - sizes[1000] < 1_000_000


# Endpoints


def test_what_it_says_of_itself(sidecar: SidecarProcess) -> None:
    """Redis, its own work, its data and its version."""
    lines(sidecar)
    page = lines(sidecar)
    names = {line.partition(" ")[0].partition("{")[0] for line in page}
    assert {"redis_up", "labkit_build_info", "labkit_sidecar_series", "labkit_sidecar_page_bytes"} <= names
    assert {"labkit_sidecar_refresh_seconds_sum", "labkit_sidecar_scrape_seconds_sum"} <= names
    assert value(sidecar, "labkit_sidecar_scrape_seconds_count") >= 2
    assert 0 <= value(sidecar, "labkit_sidecar_data_age_seconds") < 1
    own = next(i for i, line in enumerate(page) if "redis_up" in line)
    size = next(line for line in page if line.startswith("labkit_sidecar_page_bytes"))
    assert float(size.split()[1]) == len("\n".join(page[:own])) + 1


def test_bad_series_are_counted_by_reason(own_server: RedisServer, sidecar: SidecarProcess) -> None:
    """A key that is not a series does not cost the others their place."""
    own_server.client.set("metrics:counter:c_total", "no JSON")
    own_server.client.zadd("metrics.index", {"metrics:counter:c_total": 10**6})
    own_server.client.hset("metrics.state", "version", 10**6)
    wait_until(lambda: 'labkit_sidecar_series_skipped{reason="json"} 1.0' in lines(sidecar), "the count")
    assert SERIES not in lines(sidecar)


def test_the_age_of_the_data_grows_while_redis_is_away(own_server: RedisServer, sidecar: SidecarProcess) -> None:
    lines(sidecar)
    own_server.kill()
    wait_until(lambda: value(sidecar, "labkit_sidecar_data_age_seconds") > 1, "a second")
    assert value(sidecar, "redis_up") == 0


def test_health_and_readiness(own_server: RedisServer, sidecar: SidecarProcess) -> None:
    """Without Redis it is alive, and not ready."""

    def codes() -> list[int]:
        return [
            httpx.get(sidecar.url + path, trust_env=False).status_code
            for path in ("/-/healthy", "/-/ready", "/metrics")
        ]

    assert codes() == [200, 200, 200]
    own_server.kill()
    assert codes() == [200, 503, 200]


def test_the_landing_page_links_to_the_others(sidecar: SidecarProcess) -> None:
    page = httpx.get(sidecar.url, trust_env=False).text
    assert all(f'href="{path}"' in page for path in ("metrics", "-/healthy", "-/ready"))


def test_head_is_get_without_the_page(sidecar: SidecarProcess) -> None:
    """Status and headers are the same, on every page; other methods are refused."""
    client = http.client.HTTPConnection("127.0.0.1", sidecar.port)
    for path in ("/metrics?name[]=c_total", "/-/healthy", "/-/ready", "/"):
        answers = []
        for method in ("GET", "HEAD"):
            client.request(method, path)
            answer = client.getresponse()
            answers.append((answer.status, [h for h in answer.getheaders() if h[0] != "date"], answer.read()))
        assert answers[0][:2] == answers[1][:2]
        assert answers[0][2]
        assert answers[1][2] == b""
        client.request("POST", path)
        refused = client.getresponse()
        assert refused.status == 405
        refused.read()
    client.close()


# Signals


def test_sigterm_answers_the_scrape_in_hand(own_server: RedisServer, sidecar: SidecarProcess) -> None:
    """Redis is slow, the scrape waits, the end comes: the page is whole, and the exit code 0, soon."""
    client = http.client.HTTPConnection("127.0.0.1", sidecar.port)
    client.request("GET", "/metrics")
    client.getresponse().read()
    own_server.client.client_pause(500)
    client.request("GET", "/metrics")
    sidecar.process.send_signal(signal.SIGTERM)
    started = monotonic()
    answer = client.getresponse()
    assert f"\n{SERIES}\n".encode() in answer.read()
    assert sidecar.process.wait(5) == 0
    assert monotonic() - started < Limits().head_time - 1  # the shortest time that any client has
    assert "Traceback" not in sidecar.log
    client.close()


def test_sigterm_waits_for_nobody_who_does_not_read(own_server: RedisServer, sidecar: SidecarProcess) -> None:
    """Idle, silent and slow clients, and a Redis that hangs, do not delay the end."""
    assert SERIES in lines(sidecar)
    clients = [http.client.HTTPConnection("127.0.0.1", sidecar.port) for _ in range(3)]
    for client in clients:
        client.connect()
    clients[0].request("GET", "/-/healthy")
    clients[0].getresponse().read()
    clients[1].sock.send(b"GET /metr")
    own_server.pause()
    clients[2].request("GET", "/metrics")
    started = monotonic()
    sidecar.process.send_signal(signal.SIGTERM)
    assert sidecar.process.wait(5) == 0
    assert monotonic() - started < Limits().head_time - 1  # the shortest time that any client has
    assert "Traceback" not in sidecar.log
    for client in clients:
        client.close()


def test_sigterm_lets_go_who_does_not_take_the_page(own_server: RedisServer, sidecar: SidecarProcess) -> None:
    """A page is on its way to somebody who does not read: the end comes all the same, without a complaint."""
    with RedisMetricsService(own_server.url) as metrics:
        big = metrics.gauge("big", "Help.", ["text"])
        for i in range(2000):
            big.labels(text=f"{i:08000}").set(1)
        metrics.flush()
    with socket.create_connection(("127.0.0.1", sidecar.port)) as client:
        client.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        said = sidecar.log
        sidecar.process.send_signal(signal.SIGTERM)
        # Far sooner than the minute that an answer may take, on the busiest machine.
        assert sidecar.process.wait(Limits().send_time / 2) == 0
    assert sidecar.log == said


def test_sighup_reads_the_script_again(own_server: RedisServer, tmp_path: Path) -> None:
    """A new script is taken and everything is read with it; a broken one is logged, and the old one stays in use."""
    record(own_server.url)
    # A labkit of its own, whose script may be changed.
    for name in ("labkit", "lua"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    script = tmp_path / "lua" / "redis-exporter.lua"
    with SidecarProcess(own_server.url, tmp_path) as sidecar:
        assert SERIES in lines(sidecar)
        script.write_text(changed := script.read_text() + "-- changed\n")
        sidecar.hang_up("The script has been reloaded.")
        digest = sha1(changed.encode(), usedforsecurity=False).hexdigest()
        assert own_server.client.script_exists(digest) == [True]
        script.write_text("this is no Lua")
        sidecar.hang_up("The old script stays in use.")
        assert {SERIES, "redis_up 1.0"} <= set(lines(sidecar))
