"""labkit is installed in parts: what a part lacks is named, in one line, with the way to get it."""

import subprocess
import sys

import pytest

from tests.redis_server import free_port

# An import that fails as it does where the package is not installed.
WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
sys.argv = ["labkit", *{arguments!r}]
{code}
"""
LAB = ("fastapi", "pandas", "plotly", "supervisor", "yaml", "psutil", "httpx", "locust", "papermill", "simpy")
SIDECAR = ("typer", "rich", "starlette", "uvicorn", "prometheus_client", "bcrypt")


def run(absent: tuple[str, ...], code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = WITHOUT.format(absent=set(absent), arguments=arguments, code=code)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_the_writer_needs_redis_and_nothing_else() -> None:
    """With no other package there, an application records and reaches for Redis."""
    code = "import labkit; labkit.RedisMetricsService('redis://127.0.0.1:1/0').counter('c', 'Help.').inc()"
    done = run(LAB + SIDECAR, code + "; import os; os._exit(0)")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("absent", "arguments", "missing"),
    [
        (LAB + SIDECAR, ("--help",), "typer"),
        (LAB, ("up",), "yaml"),
        (LAB, ("store",), "fastapi"),
    ],
)
def test_a_part_that_is_missing_is_named(absent: tuple[str, ...], arguments: tuple[str, ...], missing: str) -> None:
    """One message with the remedy, no traceback."""
    done = run(absent, "from labkit.__main__ import main; main()", *arguments)
    assert done.returncode == 1
    assert f"needs {missing}" in done.stderr
    assert "pip install" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_exporter_needs_the_sidecar_part_only() -> None:
    """`labkit exporter` starts without pandas, plotly and the stack; here it stops at a wrong URL."""
    code = "from labkit.__main__ import main; main()"
    done = run(LAB, code, "exporter", "--redis", "http://x", "--listen", f"127.0.0.1:{free_port()}")
    assert "not a valid Redis URL" in done.stderr
