"""What this machine has of what the lab needs, and where. Looks; changes and fetches nothing."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

import redis

from labkit.errors import BinaryNotFound, LabkitError, PortInUse
from labkit.extras import DISTRIBUTION, install
from labkit.keyspace.connection import DEFAULT_URL, connect, redact
from labkit.stack.binaries import PROGRAMS, Program, locate
from labkit.stack.ownership import untrusted
from labkit.stack.packages import cache_folder, can_fetch
from labkit.stack.ports import FIXED, require_free
from labkit.stack.stack import Stack

NEEDED = ("valkey-server", "prometheus")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `state` is "ok", "warning" or "missing"; `detail` says what to do."""

    what: str
    state: str
    detail: str


def examine() -> list[Finding]:
    """Look at Python and its packages, the programs, the cache, the lab or its ports, and Redis."""
    return [
        Finding("python", "ok", f"{sys.version.split()[0]} ({sys.executable})"),
        *(_package(name) for name in sorted(_packages())),
        *(_program(name) for name in PROGRAMS),
        _cache(),
        *_lab(),
    ]


def _packages() -> set[str]:
    """The packages of the whole lab, as this installation declares them."""
    wanted = [line for line in requires(DISTRIBUTION) or () if not re.search(r"extra == .(test|bench)", line)]
    return {match[0] for line in wanted if (match := re.match(r"[\w.-]+", line))} - {DISTRIBUTION}


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", version(name))
    except PackageNotFoundError:
        return Finding(name, "missing", install("lab"))


def _cache() -> Finding:
    folder = cache_folder()
    fault = untrusted(folder.resolve()) if folder.exists() else ""
    if fault:
        return Finding("cache", "warning", f"{fault}; nothing in it is run. Name another in LABKIT_CACHE")
    return Finding("cache", "ok", f"{folder} ({'with' if can_fetch() else 'without'} apt to fill it)")


def _program(name: str) -> Finding:
    try:
        program = locate(name)
    except BinaryNotFound as error:
        return Finding(name, "missing", str(error))
    if program:
        return _runs(program)
    if can_fetch() and name != "valkey-server":
        return Finding(name, "warning", "not here yet; it is fetched, without root, when it is needed")
    state = "missing" if name in NEEDED else "warning"
    return Finding(name, state, "not on PATH, and there is no apt to fetch it with; get it with conda, brew or docker")


def _runs(program: Program) -> Finding:
    environment = os.environ | program.environment
    try:
        done = subprocess.run(
            [program.path, "--version"], capture_output=True, text=True, env=environment, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(program.name, "missing", f"{program.path} does not run: {error}")
    found = re.search(r"\d+\.\d+\.\d+[\w.+-]*", done.stdout + done.stderr)
    if not found:
        return Finding(program.name, "missing", f"{program.path} does not run: {done.stderr.strip()[-200:]}")
    return Finding(program.name, "ok", f"{found[0]} from {program.origin} ({program.path})")


def _lab() -> Iterator[Finding]:
    try:
        stack = Stack.running()
        rows = stack.status() if stack else []
    except LabkitError as error:
        yield Finding("lab", "warning", str(error))
        return
    yield Finding("lab", "ok", f"{stack.name} runs" if stack else "none runs")
    for row in rows:
        yield Finding(row.service, "ok" if row.state == "answering" else "warning", f"{row.state} at {row.url}")
    if not stack:
        yield from map(_port, FIXED)
    named = stack.urls["redis"] if stack else os.environ.get("LABKIT_REDIS_URL")
    yield _redis(named or DEFAULT_URL, wanted=named is not None)


def _port(service: str) -> Finding:
    try:
        require_free(FIXED[service], service)
    except PortInUse as error:
        return Finding(f"port {FIXED[service]}", "warning", str(error))
    return Finding(f"port {FIXED[service]}", "ok", f"free for {service}")


def _redis(url: str, *, wanted: bool) -> Finding:
    what = f"redis at {redact(url)}"
    try:
        with connect(url) as client:
            policy = str(dict(client.config_get("maxmemory-policy")).get("maxmemory-policy", "unknown"))
    except (redis.RedisError, OSError, LabkitError) as error:
        return Finding(what, "warning" if wanted else "ok", f"does not answer; a lab brings its own ({error})")
    if policy != "noeviction":
        proof = ", and the proof that a batch was applied" if policy.startswith("allkeys") else ""
        remedy = f"it may evict series{proof}: CONFIG SET maxmemory-policy noeviction"
        return Finding(what, "warning", f"answers; maxmemory-policy is {policy}: {remedy}")
    return Finding(what, "ok", f"answers; maxmemory-policy is {policy}")
