"""One real Prometheus per session, whose history begins, breaks and ends; and a real kernel."""

import json
import os
from collections.abc import Iterator
from queue import Empty
from time import monotonic
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from labkit.prometheus.query import Prometheus
from tests.prometheus.prometheus_server import PrometheusServer

# Midnight of 2026-01-01 UTC, and the five minutes after it: one sample every five seconds.
START, STEP, STEPS = 1_767_225_600, 5, 61
# When each series has samples.
LIVES = {
    "always": range(STEPS),
    "breaks": (*range(20), *range(35, STEPS)),
    "ends": range(25),
    "begins": range(30, STEPS),
}


def _history() -> Iterator[str]:
    yield "# TYPE seen unknown"
    for name, life in LIVES.items():
        for n in life:
            yield f'seen{{life="{name}"}} {n * n} {START + STEP * n}'
    yield "# EOF\n"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """A Prometheus that knows the history above and scrapes itself."""
    server = PrometheusServer(tmp_path_factory.mktemp("prometheus"), "\n".join(_history()))
    yield server
    server.close()


@pytest.fixture(scope="session")
def prometheus(server: PrometheusServer) -> Prometheus:
    """The queries of that Prometheus, which has scraped itself."""
    prometheus = Prometheus(server.url)
    prometheus.wait_until("prometheus_build_info")
    return prometheus


BEGIN = """import labkit, threading, time
from labkit.prometheus.query import Prometheus
prometheus = Prometheus({url!r})
def live(what, **options): return labkit.live(what, prometheus=prometheus, **options)
def threads(): return sum(thread.name == 'labkit-live' for thread in threading.enumerate())
def wait(condition):
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end: time.sleep(0.05)
    print('so it is' if condition() else 'it is not so')
"""


class Kernel:
    """A real kernel, asked as a notebook asks it."""

    def __init__(self, server: PrometheusServer, **environment: str) -> None:
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(env=os.environ | environment)
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        self.run(BEGIN.format(url=server.url))

    def run(self, code: str, *, cell: str = "", people: bool = True) -> dict[str, Any]:
        """Run code as the cell of that name; return what it shows, by type. `people` can be asked for input."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": people}
        message = self._client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        self._client.shell_channel.send(message)
        return self._shown(message["header"]["msg_id"])

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def _shown(self, request: str) -> dict[str, Any]:
        shown: dict[str, Any] = {"text": ""}
        end = monotonic() + 60
        while monotonic() < end:
            try:
                message = self._client.get_iopub_msg(timeout=1)
            except Empty:
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            assert message["msg_type"] != "error", "\n".join(content["traceback"])
            if message["msg_type"] == "stream":
                shown["text"] += content["text"]
            if message["msg_type"] in {"execute_result", "display_data"}:
                shown |= content["data"]
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return shown
        raise AssertionError(f"the kernel is not idle yet; it has shown {json.dumps(shown)[:1000]}")


@pytest.fixture
def kernel(prometheus: Prometheus, server: PrometheusServer) -> Iterator[Kernel]:
    """A kernel that knows `live(promql)` and `threads()`, which counts those of live figures."""
    kernel = Kernel(server)
    yield kernel
    kernel.close()
