"""What every benchmark needs: a real server of its own, and a line that says where its figures were measured."""

import argparse
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import cast

import labkit
from harness.redis_server import RedisServer


@contextmanager
def valkey(*options: str) -> Iterator[RedisServer]:
    """Run a Valkey on a free port; `options` are passed to it as they are. It may be killed before the end."""
    with TemporaryDirectory() as folder, RedisServer(None, Path(folder), *options) as server:
        yield server


def is_quick(about: str | None, meaning: str) -> bool:
    """Read the command line of a benchmark whose one option is `--quick`."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help=f"{meaning}: only shows that it works")
    return bool(parser.parse_args().quick)


def describe(server: RedisServer, *packages: str) -> str:
    """Return a paragraph in Markdown: processor, cores, load, and the versions of everything involved."""
    found = cast(dict[str, str], server.client.info("server"))
    parts = [
        f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start",
        f"{platform.system()} {platform.release().split('-')[0]}",
        f"{platform.python_implementation()} {platform.python_version()}",
        f"Valkey {found.get('valkey_version', found['redis_version'])}",
        f"labkit {labkit.__version__}",
        *(f"{package} {version(package)}" for package in ("redis", "hiredis", *packages)),
    ]
    return f"Measured on: {', '.join(parts)}.\n"


def pauses_of_the_machine(seconds: float) -> list[float]:
    """Spin this long; return the pauses above 1 ms, in ms, in which the machine did something else."""
    pauses, last, end = [], perf_counter(), perf_counter() + seconds
    while last < end:
        now = perf_counter()
        if now - last > 0.001:
            pauses.append((now - last) * 1000)
        last = now
    return pauses


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown, its columns aligned for readers of the plain text, too; numbers to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, [widths[0] * "-", *("-" * (width - 1) + ":" for width in widths[1:])], *rows]
    return "\n".join(f"| {' | '.join(_aligned(line, widths))} |" for line in lines) + "\n"


def _aligned(line: list[str], widths: list[int]) -> list[str]:
    first, *others = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
