"""The names that users rely on, the direction of imports, and what an import costs."""

import ast
import subprocess
import sys
from pathlib import Path

import labkit

PACKAGE = Path(labkit.__file__).parent


def _within(package: str, *modules: str) -> list[str]:
    return [f"{package}.{module}" for module in modules]


# From the ground to the edge. A module imports only from what comes before it; a package that is here by its own
# name is one step.
JOURNEY = (
    *("errors", "extras", "resources", "tls", "connection", "listening", "callers", "keys", "digits", "script"),
    *_within("writer", "declaration", "timer", "amounts", "buckets", "metric", "metrics", "registry"),
    *_within(
        "writer",
        "timing",
        "batch",
        "scripts",
        "backoff",
        "probe",
        "attempts",
        "telemetry",
        "delivery",
        "flusher",
        "flush_thread",
        "holders",
    ),
    *_within("integrations", "celery", "uwsgi"),
    *_within("writer", "lifetime", "writer", "service"),
    *_within("integrations", "rq"),
    *_within("sidecar", "rendering", "judging", "reaching", "scripts", "deadlines", "exposition", "families"),
    *_within("sidecar", "unreadable", "mirror"),
    *_within("sidecar", "negotiation", "openmetrics", "filtering", "sidecar"),
    *_within("sidecar", "web_config", "authentication", "complaints", "serving", "exporter"),
    *("answers", "client", "query", "theme", "series", "picture", "plot", "panels", "grid", "dashboard"),
    *("table", "progress", "interrupts", "store", "stack", "experiments", "live_figure", "control_panel"),
    *("relay", "proxies", "pytest_plugin"),
    *_within("report", "parameters", "kernels", "execution", "readers", "figures", "particulars", "pages", "report"),
    *("course", "jupyter"),
    *_within("exercises", "verdict", "reading", "names", "lesson", "progress", "checks"),
    *_within("exercises", "start_here", "record_and_batch", "in_redis", "lua_and_sidecars", "query_and_plot", "status"),
    *("demo", "terminal", "lab_commands", "cli", "ask"),
)


def _step(name: str) -> str:
    """The step of the journey that a dotted name is part of; "" if it is not ours."""
    parts = name.removeprefix("labkit.").split(".")
    dotted = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return next((step for step in dotted if step in JOURNEY), "")


def _imports(path: Path) -> set[str]:
    """The steps from which a file imports, also by `from labkit import plot`."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in nodes if f"{node.module}.".startswith("labkit.")]
    return {_step(f"{node.module}.{alias.name}") for node in ours for alias in node.names} - {""}


def _modules() -> list[tuple[str, Path]]:
    """Each file of the package, with its step."""
    files = [path for path in PACKAGE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    return [(_step(".".join(path.relative_to(PACKAGE).with_suffix("").parts)), path) for path in files]


def test_public_names_are_sorted_and_present() -> None:
    """Everything in `__all__` can be had, in alphabetical order."""
    assert list(labkit.__all__) == sorted(labkit.__all__)
    code = "import labkit; print([name for name in labkit.__all__ if not hasattr(labkit, name)])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_imports_run_one_way() -> None:
    """No module imports one that comes later on the journey."""
    for step, path in _modules():
        later = {name for name in _imports(path) if JOURNEY.index(name) > JOURNEY.index(step)}
        assert not later, f"{path.relative_to(PACKAGE)} imports {later}, which come later"


def test_every_module_has_its_place_on_the_journey() -> None:
    """A new module is put into the order above, where readers look for it; and every name there exists."""
    steps = [step for step, _ in _modules()]
    assert all(steps), [path for step, path in _modules() if not step]
    assert set(steps) == set(JOURNEY)


def test_importing_labkit_loads_nothing_heavy() -> None:
    """A notebook that only asks pays for no Redis client, and a program that records for no data frames or figures."""
    heavy = ("redis", "pandas", "plotly", "fastapi", "starlette", "prometheus_client", "typer", "supervisor")
    code = f"import labkit, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
