"""The lab in real containers: it comes up, counts right, changes its sidecar, notices a silent Redis, and goes."""

import re

import pytest

from harness.process import wait_until
from tests import ROOT
from tests.docker.composed_lab import ComposedLab
from tests.docker.files import SIDECARS

# The first test may have to make the images.
pytestmark = pytest.mark.timeout(900)


def readme_commands() -> list[str]:
    section = (ROOT / "README.md").read_text().partition("\n## Docker\n")[2].partition("\n## ")[0]
    return re.findall(r"^\$ (.*?)(?:\s+#.*)?$", section, re.MULTILINE)


def test_the_commands_of_the_readme_work_as_they_stand(lab: ComposedLab) -> None:
    """Typed in their order, each of them ends well; afterwards no container, volume or network is left."""
    commands = readme_commands()
    assert len(commands) >= 5
    for command in commands:
        lab.shell(command)
    assert lab.engine.composed() == []


@pytest.mark.parametrize("sidecar", SIDECARS)
def test_prometheus_has_what_happened_in_the_store(lab: ComposedLab, sidecar: str) -> None:
    """With either sidecar, every event that the store counted arrives in Prometheus, and every target is up."""
    lab.up(sidecar)
    for _ in range(3):
        lab.shell("curl -fsS -X POST http://127.0.0.1:5050/api/store/join")
    wait_until(lambda: lab.query("user_events") == lab.ledger(), "Prometheus having what the store counted", timeout=60)
    assert lab.ledger()["joined"] >= 3
    assert lab.query("min(up)") == {"": 1}


def test_one_command_changes_the_sidecar(lab: ComposedLab) -> None:
    """To the stock one and back, the same port is answered by another program, and Prometheus goes on."""
    for sidecar, says in (("labkit", "labkit_sidecar_"), ("redis_exporter", "redis_exporter_build_info")) * 2:
        lab.up(sidecar)
        assert says in lab.shell("curl -fsS http://127.0.0.1:9121/metrics")
        assert lab.shell("docker compose ps --services").split() == ["prometheus", "redis", "sidecar", "store"]


SILENCE = {
    "paused": ("pause redis", "unpause redis"),
    "protected": tuple(f"exec -T redis redis-cli config set protected-mode {mode}" for mode in ("yes", "no")),
}


@pytest.mark.parametrize("kind", SILENCE)
def test_a_redis_that_answers_nobody_is_noticed(lab: ComposedLab, kind: str) -> None:
    """Frozen, or refusing all but itself: a service becomes unhealthy, `up --wait` fails, until Redis answers again."""
    lab.up()
    silence, answer = SILENCE[kind]
    lab.shell(f"docker compose {silence}")
    wait_until(lambda: "(unhealthy)" in lab.shell("docker compose ps"), "a service becoming unhealthy", timeout=60)
    assert "redis" in lab.refused("docker compose up --detach --wait")
    lab.shell(f"docker compose {answer}")
    wait_until(lambda: "unhealthy" not in lab.shell("docker compose ps"), "all being healthy again", timeout=60)
    lab.up()
