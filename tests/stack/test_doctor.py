"""The doctor says what is here, what is missing and what to do, and changes nothing."""

from pathlib import Path

import pytest
import redis

from labkit.stack import SERVICES, Stack
from labkit.stack.binaries import PROGRAMS
from labkit.stack.doctor import Finding, examine


@pytest.fixture
def findings(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    monkeypatch.setenv("LABKIT_HOME", str(stack.home))
    return {finding.what: finding for finding in examine()}


def test_a_whole_lab_is_well(stack: Stack, findings: dict[str, Finding]) -> None:
    """Python, packages, programs, services and Redis: all ok, each with its version or place."""
    assert {finding.what for finding in findings.values() if finding.state == "missing"} == set()
    assert {"python", "supervisor", "prometheus-api-client", "cache", "lab", *SERVICES, *PROGRAMS} <= findings.keys()
    assert findings["promtool"].detail.startswith("2.") or "from" in findings["promtool"].detail
    assert findings["store"].detail == f"answering at {stack.urls['store']}"


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru", "volatile-ttl"])
def test_an_eviction_policy_is_warned_of(stack: Stack, monkeypatch: pytest.MonkeyPatch, policy: str) -> None:
    """Whatever evicts may evict series; the warning names the policy and the command that mends it."""
    monkeypatch.setenv("LABKIT_HOME", str(stack.home))
    what = f"redis at {stack.urls['redis']}"
    with redis.Redis.from_url(stack.urls["redis"]) as client:
        client.config_set("maxmemory-policy", policy)
        (warned,) = [finding for finding in examine() if finding.what == what]
        client.config_set("maxmemory-policy", "noeviction")
    assert warned.state == "warning"
    assert policy in warned.detail
    assert "CONFIG SET maxmemory-policy noeviction" in warned.detail


def test_a_dead_service_is_warned_of(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(stack.home))
    with stack.stopped("sidecar"):
        assert Finding("sidecar", "warning", f"dead at {stack.urls['sidecar']}") in examine()


def test_an_empty_machine_is_told_what_to_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on PATH, no apt, no cache, no lab, and a Redis that is not there; nothing is fetched or made."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    monkeypatch.setenv("LABKIT_REDIS_URL", "redis://:secret@127.0.0.1:1/0")
    findings = {finding.what: finding for finding in examine()}
    assert findings["prometheus"].state == "missing"
    assert "conda, brew or docker" in findings["prometheus"].detail
    assert findings["redis_exporter"].state == "warning"
    assert findings["lab"].detail == "none runs"
    assert findings["redis at redis://:***@127.0.0.1:1/0"].state == "warning"
    assert list(tmp_path.iterdir()) == []
