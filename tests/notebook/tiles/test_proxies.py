"""The lab's services behind JupyterLab: found wherever they are today, and under any base URL."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace

import httpx
import psutil
import pytest

from harness.jupyter import Jupyter
from harness.process import Process, answers, free_port, wait_until
from labkit import Stack
from labkit.notebook.tiles.proxies import lead_back
from labkit.notebook.tiles.relay import BESIDE
from labkit.stack import SERVICES
from labkit.web.callers import TILE_HEADER

# As a hub makes it of a name with a blank and an apostrophe, and the name by which it is known.
BASE = "/user/x%20o%27y/"
HUB = "hub.example"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """A JupyterLab as a hub would start it, whose lab runs on ports of its own."""
    folder = tmp_path_factory.mktemp("jupyter")
    config = folder / "jupyter_config_dir" / "jupyter_server_config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"ServerApp": {"local_hostnames": ["localhost", HUB]}}))
    with Jupyter(folder, BASE) as running:
        Stack.up(ports="auto", scrape_interval=0.5, flush_interval=0.5, home=running.root)
        yield running


@pytest.fixture
def client(jupyter: Jupyter) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=jupyter.url, follow_redirects=True, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a relay to Prometheus, in a home where no lab runs yet."""
    port = free_port()
    url, command = (
        f"http://127.0.0.1:{port}",
        [sys.executable, "-m", "labkit.notebook.tiles.relay", "prometheus", str(port)],
    )
    process = Process(command, tmp_path / "relay.log", lambda: answers(url), {"LABKIT_HOME": str(tmp_path)})
    # A connection that is kept open would lead to a service that is gone.
    alone = {"connection": "close"}
    with httpx.Client(base_url=url, headers=alone, trust_env=False, timeout=60) as client:
        yield client
    assert process.stop(signal.SIGINT, timeout=10) == 0
    Stack.clear(tmp_path)


def test_every_service_with_a_page_has_a_tile() -> None:
    """Each entry point gives a command, a title and an icon that exists."""
    tiles = {entry.name: entry.load()() for entry in entry_points(group="jupyter_serverproxy_servers")}
    assert set(SERVICES) - {"redis"} | set(BESIDE) <= set(tiles)
    for name in {*SERVICES, *BESIDE} - {"redis"}:
        assert tiles[name]["command"][-2:] == [name, "{port}"]
        assert "<svg" in Path(tiles[name]["launcher_entry"]["icon_path"]).read_text()


def test_the_launcher_is_told_of_the_tiles(client: httpx.Client) -> None:
    """JupyterLab serves their names, paths and icons."""
    told = client.get("server-proxy/servers-info").json()["server_processes"]
    tiles = {tile["name"]: tile["launcher_entry"] for tile in told}
    assert {"prometheus", "sidecar", "store", "locust", "grafana"} <= set(tiles)
    icon = client.get("lab/extensions/labkit/static/icons/store.svg")
    assert icon.headers["content-type"] == "image/svg+xml"
    assert (tiles["store"]["path_info"], tiles["sidecar"]["path_info"]) == ("store/docs", "sidecar/metrics")
    # labkit's own extension shows them; Grafana's would lead nowhere.
    assert {name for name, tile in tiles.items() if tile["category"] == "labkit"} == {*SERVICES, "locust"} - {"redis"}
    assert not any(tile["enabled"] for tile in tiles.values())
    assert "Start the lab" in client.get("lab/extensions/labkit/static/tiles.js").text


def test_prometheus_answers_behind_the_base(client: httpx.Client) -> None:
    """From its root to its page; absolute paths in the page lie under the base; the API answers."""
    page = client.get("prometheus/")
    assert page.status_code == 200
    assert page.url.raw_path.decode().startswith(f"{BASE}prometheus/")
    rooted = [part.partition('"')[0] for part in page.text.replace('src="', 'href="').split('href="')[1:]]
    assert [link for link in rooted if link.startswith("/") and not link.startswith(f"{BASE}prometheus/")] == []
    assert client.get("prometheus/api/v1/query", params={"query": "1"}).json()["data"]["result"][1] == "1"


def test_redirects_keep_what_they_carry() -> None:
    """A path with encoded characters is what it was, queries and slashes at the end stay, and nothing leads away."""
    for requested, path, location, expected in (
        ("/user/a%40b/prometheus/", "/", "/graph?g0.expr=a%2F../b", "./graph?g0.expr=a%2F../b"),
        ("/prometheus/prometheus/a%20b/c", "/a b/c", "/x/", "../x/"),
        ("/prometheus/a%2Fb", "/a/b", "/x", "./x"),
        ("/prometheus/", "/", "//evil.example/x", "./evil.example/x"),
    ):
        response = SimpleNamespace(headers={"Location": location})
        lead_back(response, SimpleNamespace(path=requested), path)
        assert response.headers["Location"] == expected


def test_a_page_is_led_back_whatever_the_base_is_called() -> None:
    """What means something in HTML or in a script does not end the string in which the base is put."""
    body = b"""<a href='/x'><a href="//cdn/y"><script>var PATH_PREFIX = "";</script>"""
    response = SimpleNamespace(headers={"Content-Type": "text/html"}, body=body)
    lead_back(response, SimpleNamespace(path="/o'y\\1/a\"&</script>/graph"), "/graph")
    written = b"/o&#x27;y\\1/a&quot;&amp;&lt;/script&gt;"
    assert response.body.startswith(b"<a href='" + written + b"""/x'><a href="//cdn/y"><script>""")
    assert response.body.endswith(
        b"""var PATH_PREFIX = "/o\\u0027y\\\\1/a\\u0022\\u0026\\u003c/script\\u003e";</script>"""
    )


def test_the_store_makes_links_that_lead_back(client: httpx.Client) -> None:
    """Its documentation finds its script and its description there, and a simulation says where to find it."""
    page = client.get("store/docs").text
    assert f'src="{BASE}store/static-offline-docs/swagger-ui-bundle.js"' in page
    assert client.get("store/static-offline-docs/swagger-ui-bundle.js").status_code == 200
    assert client.get("store/openapi.json").json()["servers"] == [{"url": f"{BASE}store"}]
    started = client.post("store/api/store/simulate", json={"customers": 1, "speed": 1000}).json()
    assert client.get(started["status_url"]).json()["id"] == started["id"]


def test_a_tile_works_by_any_name_of_its_jupyterlab(client: httpx.Client) -> None:
    """On a hub, the browser knows it by the hub's name: its own page may post, and links lead back there."""
    own = {"host": HUB, "origin": f"https://{HUB}", "sec-fetch-site": "same-origin"}
    answer = client.post("store/api/store/simulate", json={"customers": 1, "speed": 1000}, headers=own)
    assert answer.json()["status_url"].startswith(f"http://{HUB}{BASE}store/api/store/simulations/")


@pytest.mark.parametrize("host", [HUB, "127.0.0.1"])
def test_no_page_of_another_site_reaches_a_tile(client: httpx.Client, host: str) -> None:
    """Where a browser sends JupyterLab's cookie along, the page's address says that it is not its own."""
    headers = {"host": host, "origin": "http://evil.example"}
    assert client.post("store/api/store/join", headers=headers).status_code == 403


def test_a_relay_does_not_believe_a_name(relay: httpx.Client, tmp_path: Path) -> None:
    """Called past JupyterLab, by a name that was made to mean 127.0.0.1: only JupyterLab knows its token."""
    with Stack.up(ports="auto", home=tmp_path):
        for headers in ({}, {TILE_HEADER: ""}, {TILE_HEADER: "guessed"}):
            assert relay.get("-/ready", headers={"host": "evil.example", **headers}).status_code == 403
        assert relay.get("-/ready", headers={"origin": "http://evil.example"}).status_code == 403
        assert relay.get("-/ready").status_code == 200


def test_the_sidecar_shows_its_page_and_its_metrics(client: httpx.Client) -> None:
    """Its links are relative, so they hold anywhere."""
    assert 'href="metrics"' in client.get("sidecar/").text
    assert "labkit_sidecar" in client.get("sidecar/metrics").text


def test_what_does_not_run_says_how_to_start_it(client: httpx.Client) -> None:
    """A page, not an error of the proxy."""
    answer = client.get("grafana/")
    assert answer.status_code == 503
    assert "docker compose up grafana" in answer.text


def test_a_relay_follows_the_lab_as_it_comes_and_goes(relay: httpx.Client, tmp_path: Path) -> None:
    """No lab: a page that says how to start one. A lab on any ports: its Prometheus. Gone again: the page."""
    away = relay.get("graph")
    assert (away.status_code, "labkit up" in away.text) == (503, True)
    for _ in range(2):
        with Stack.up(ports="auto", home=tmp_path):
            assert relay.get("-/ready").status_code == 200
        assert relay.post("", content=b"x" * 1_000_000).status_code == 503


def test_a_relay_ends_with_the_one_who_started_it(tmp_path: Path) -> None:
    """A Jupyter that is killed leaves none behind."""
    port = free_port()
    code = (
        "import subprocess, sys, json\n"
        f"child = subprocess.Popen([sys.executable, '-m', 'labkit.notebook.tiles.relay', 'store', '{port}'])\n"
        "print(json.dumps(child.pid), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = psutil.Process(json.loads(parent.stdout.readline()))
        wait_until(lambda: answers(f"http://127.0.0.1:{port}"), "The relay's start")
        parent.kill()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "The relay's end", timeout=30)
