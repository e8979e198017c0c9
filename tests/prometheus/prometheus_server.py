"""A real Prometheus for the tests: on a free port, with the history it is given, and scraping itself."""

import os
import subprocess
from pathlib import Path

import httpx
import pytest

from labkit.errors import BinaryNotFound
from labkit.stack import binaries
from tests.redis_server import free_port, wait_until

# Prometheus 3: it says some things that 2 does not, and others in other words.
NEWEST = "sid"

SCRAPE_INTERVAL = 0.2

# Selecting remote="yes" asks a remote storage that is not there: that is a warning, not an error.
CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
- job_name: self
  static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
remote_read:
- url: http://127.0.0.1:1/read
  read_recent: true
  required_matchers: {{remote: "yes"}}
"""


class PrometheusServer:
    """One Prometheus with its data in `folder`; `history` is a page of OpenMetrics with timestamps.

    It is the machine's own, or that of a `release` of Debian.
    """

    def __init__(self, folder: Path, history: str, release: str | None = None) -> None:
        self.port, self._release = free_port(), release
        self.url = f"http://127.0.0.1:{self.port}"
        config, self._log = folder / "prometheus.yml", folder / "prometheus.log"
        config.write_text(CONFIG.format(port=self.port))
        self._remember(folder, history)
        self.process = self._start(config, folder / "data")
        wait_until(self._answers, "Prometheus")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)

    def _remember(self, folder: Path, history: str) -> None:
        page = folder / "history.txt"
        page.write_text(history)
        command = ["tsdb", "create-blocks-from", "openmetrics", "--quiet", str(page), str(folder / "data")]
        subprocess.run(
            [str(binaries.find("promtool", release=self._release).path), *command], check=True, capture_output=True
        )

    def _start(self, config: Path, data: Path) -> subprocess.Popen[bytes]:
        program = binaries.find("prometheus", release=self._release)
        command = [str(program.path), f"--config.file={config}", f"--storage.tsdb.path={data}"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", "--storage.tsdb.retention.time=10y"]
        command += ["--query.lookback-delta=8s"]
        with self._log.open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | program.environment)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.url}/-/ready").is_success
        except httpx.TransportError:
            return False


def newest_server(folder: Path, history: str) -> PrometheusServer:
    """Start a Prometheus 3; skip the test where there is none."""
    try:
        binaries.find("prometheus", release=NEWEST)
    except BinaryNotFound as error:
        pytest.skip(f"Prometheus 3 was not run: {error}")
    return PrometheusServer(folder, history, NEWEST)
