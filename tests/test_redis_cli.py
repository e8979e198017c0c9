"""The README's commands for Redis, through redis-cli and a shell as a person types them, on Valkey and on Redis 7."""

import json
import os
import re
import subprocess

import pytest

from harness.redis_server import RedisServer
from labkit import RedisMetricsService
from labkit.stack import binaries
from tests import ROOT

COMMANDS = re.findall(r"^\$ (redis-cli .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.fixture
def answers(redis_server: RedisServer, metrics: RedisMetricsService) -> dict[str, str]:
    """What redis-cli prints for each command of the README, by the command's first word for Redis."""
    metrics.counter("user_events", "What users did.", ["event"]).labels(event="joined").inc(3)
    metrics.flush()
    program = binaries.find("redis-cli")
    environment = os.environ | program.environment
    answers = {}
    for command in COMMANDS:
        line = command.replace("redis-cli", f"{program.path} -p {redis_server.port}", 1)
        done = subprocess.run(line, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)  # noqa: S602  as typed
        answers[command.split()[1]] = done.stdout
    return answers


def test_every_command_of_the_readme_is_here() -> None:
    """KEYS, GET, TTL and EVAL: the page shows these four."""
    assert [command.split()[1] for command in COMMANDS] == ["KEYS", "GET", "TTL", "EVAL"]


def test_they_print_what_the_readme_shows(answers: dict[str, str]) -> None:
    """Keys that read like their series, JSON, half an hour to live, and samples as Prometheus would see them."""
    assert "metrics:counter:user_events:event=joined" in answers["KEYS"].splitlines()
    assert all(key.startswith("metrics:") for key in answers["KEYS"].split())
    assert json.loads(answers["GET"])["value"] == 3
    assert 1700 < int(answers["TTL"]) <= 1800
    samples = answers["EVAL"].splitlines()
    assert samples[samples.index('user_events{event="joined"}') + 1] == "3"
