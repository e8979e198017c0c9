"""The surface that users rely on, the way imports run, and what an import costs."""

import ast
import subprocess
import sys
from pathlib import Path

import labkit

PACKAGE = Path(labkit.__file__).parent

# From the ground to the edge. A module imports only from what stands before it.
JOURNEY = (
    *("errors", "resources", "connection", "listening"),
    *("declaration", "timer", "metrics", "keys", "registry", "timing", "batch", "backoff", "rendering", "scripts"),
    *("telemetry", "delivery", "flusher", "lifetime", "service"),
    *("deadlines", "exposition", "mirror", "negotiation", "openmetrics", "filtering", "sidecar"),
    *("web_config", "authentication", "serving", "exporter"),
    *("answers", "client", "query", "theme", "plot", "panels", "grid", "dashboard"),
    *("table", "progress", "execution", "store", "stack", "experiments", "live_figure", "control_panel"),
    *("relay", "proxies", "pytest_plugin", "parameters", "pages", "report", "demo", "terminal", "cli", "ask"),
)
# Drawn in the package's own docstring; the type checker alone sees these imports.
EXEMPT = {"__init__", "__main__"}


def _imports(path: Path) -> set[str]:
    """The modules of labkit that a file imports, also by `from labkit import plot`."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    named = {node.module.split(".")[1] for node in nodes if node.module and node.module.startswith("labkit.")}
    taken = {alias.name for node in nodes if node.module == "labkit" for alias in node.names}
    return named | (taken & set(JOURNEY))


def _modules() -> list[tuple[str, Path]]:
    return [(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path) for path in PACKAGE.rglob("*.py")]


def test_public_names_are_sorted_and_present() -> None:
    """Everything in `__all__` can be had, in alphabetical order."""
    assert list(labkit.__all__) == sorted(labkit.__all__)
    code = "import labkit; print([name for name in labkit.__all__ if not hasattr(labkit, name)])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_imports_run_one_way() -> None:
    """No module imports one that stands later on the journey."""
    for module, path in _modules():
        if module in EXEMPT:
            continue
        later = {name for name in _imports(path) if JOURNEY.index(name) > JOURNEY.index(module)}
        assert not later, f"{path.relative_to(PACKAGE)} imports {later}, which come later"


def test_every_module_has_its_place_on_the_journey() -> None:
    """A new module is put into the order above, where readers look for it."""
    assert {module for module, _ in _modules()} <= set(JOURNEY) | EXEMPT


def test_importing_labkit_loads_nothing_heavy() -> None:
    """A notebook that only asks pays for no Redis client, and a program that records for no data frames or figures."""
    heavy = ("redis", "pandas", "plotly", "fastapi", "starlette", "prometheus_client", "typer", "supervisor")
    code = f"import labkit, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
