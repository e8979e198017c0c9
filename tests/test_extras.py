"""labkit is installed in parts: what a part lacks is named, in one line, with the way to get it."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import labkit
from harness.process import free_port
from labkit.extras import install

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
    ("absent", "command", "missing", "extra"),
    [
        (LAB + SIDECAR, "", "typer", "sidecar"),
        (LAB + SIDECAR, "exporter", "typer", "sidecar"),
        (LAB + SIDECAR, "store", "typer", "store"),
        (LAB + SIDECAR, "up", "typer", "lab"),
        (LAB, "store", "fastapi", "store"),
        (LAB, "up", "psutil", "lab"),
    ],
)
def test_a_command_says_which_part_brings_it(absent: tuple[str, ...], command: str, missing: str, extra: str) -> None:
    """The smallest one, in one line, whatever else is missing."""
    done = run(absent, "from labkit.__main__ import main; main()", *command.split())
    assert done.returncode == 1
    what = f"labkit {command}".strip()
    remedy = f"pip install 'labkit-metrics[{extra}]'"
    assert done.stderr == f"error: {what} needs {missing}, which is not installed: {remedy}\n"


def test_a_name_says_which_part_brings_it() -> None:
    """Of the public names, the writer's and the errors are always there; each of the others names the lab."""
    names = ("Prometheus", "Stack", "controls", "dashboard", "live", "load_ext", "plot")
    assert {*names} - {"load_ext"} <= {*labkit.__all__}
    code = f"""
import labkit
def told(name):
    try:
        labkit.load_ipython_extension(None) if name == "load_ext" else getattr(labkit, name)
    except labkit.MissingExtra as missing:
        return str(missing)
print([name for name in (*labkit.__all__, "load_ext") if (told(name) or "").endswith("{install("lab")}")])
"""
    done = run((*LAB, *SIDECAR, "IPython", "anywidget"), code)
    assert done.stdout.strip() == str(sorted(names, key=lambda name: (name == "load_ext", name))), done.stderr


def test_the_version_is_that_of_the_installation() -> None:
    """It is looked up under the name that pip knows."""
    assert labkit.__version__ == version("labkit-metrics")


def test_the_exporter_needs_the_sidecar_part_only() -> None:
    """`labkit exporter` starts without pandas, plotly and the stack; here it stops at a wrong URL."""
    code = "from labkit.__main__ import main; main()"
    done = run(LAB, code, "exporter", "--redis", "http://x", "--listen", f"127.0.0.1:{free_port()}")
    assert "not a valid Redis URL" in done.stderr
