"""A real Prometheus for the tests: on a free port, with the history it is given, and scraping itself."""

import subprocess
from pathlib import Path

import pytest

from harness.process import Process, answers, free_port
from labkit.errors import BinaryNotFound
from labkit.stack import binaries

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


class PrometheusServer(Process):
    """One Prometheus with its data in `folder`; `history` is a page of OpenMetrics with timestamps.

    It is the machine's own, or that of a `release` of Debian.
    """

    def __init__(self, folder: Path, history: str, release: str | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = folder / "prometheus.yml"
        config.write_text(CONFIG.format(port=self.port))
        _remember(folder, history, release)
        program = binaries.find("prometheus", release=release)
        command = [str(program.path), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", "--storage.tsdb.retention.time=10y"]
        command += ["--query.lookback-delta=8s"]
        ready = f"{self.url}/-/ready"
        super().__init__(command, folder / "prometheus.log", lambda: answers(ready, 200), program.environment)

    def close(self) -> None:
        """End it in good order."""
        self.stop()


def _remember(folder: Path, history: str, release: str | None) -> None:
    page = folder / "history.txt"
    page.write_text(history)
    command = ["tsdb", "create-blocks-from", "openmetrics", "--quiet", str(page), str(folder / "data")]
    subprocess.run([str(binaries.find("promtool", release=release).path), *command], check=True, capture_output=True)


def newest_server(folder: Path, history: str) -> PrometheusServer:
    """Start a Prometheus 3; skip the test where there is none."""
    try:
        binaries.find("prometheus", release=NEWEST)
    except BinaryNotFound as error:
        pytest.skip(f"Prometheus 3 was not run: {error}")
    return PrometheusServer(folder, history, NEWEST)
