"""labkit: a metrics pipeline to see, measure and break, made of parts good enough to run.

The journey of a value, and the room that has each stage:

    record ──► batch ──► Redis ──► Lua ──► exposition ──► Prometheus ──► query ──► plot
    └─ writer ────┘    └ keyspace ┘└──── sidecar ────┘                prometheus  plotting

labkit/
    keyspace/      how labkit uses Redis: keys, connections, scripts, numbers
    writer/        record, batch, send: what applications import; needs redis-py only
    sidecar/       what the script returns becomes the page that Prometheus scrapes
    prometheus/    the client of Prometheus: PromQL in, tidy frames out
    plotting/      frames become figures: charts, the dashboard, pictures
    ui/            what a person sees in a terminal or below a cell
    web/           what labkit's web services share: how they listen, whom they answer
    notebook/      magics, live figures, control panel, reports, exercises, tiles
    store/         the application that is observed, and the ledger of what it did
    traffic/       customers for the store
    stack/         the real processes: programs, services, faults, labs
    commands/      what can be done with a lab, in a terminal and by `%lab`
    integrations/  ways in for other people's programs
    experiments/   what is measured, against a truth that is known
    cli/           the command `labkit`

docs/architecture.md follows a value and a query through them. Imports run one way: `tool.importlinter` in
pyproject.toml has the order.
"""

from typing import TYPE_CHECKING, Any

from labkit.errors import (
    BinaryNotFound,
    ConnectionFailed,
    FlushError,
    LabkitError,
    MetricError,
    MissingExtra,
    PortInUse,
    QueryError,
    ServiceFailed,
    StackError,
)

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from labkit.notebook.live import live
    from labkit.notebook.panel import controls
    from labkit.plotting import charts as plot
    from labkit.plotting import dashboard
    from labkit.prometheus.query import Prometheus
    from labkit.stack import Stack
    from labkit.writer import RedisMetricsService, WriterStats

    __version__: str

__all__ = [
    "BinaryNotFound",
    "ConnectionFailed",
    "FlushError",
    "LabkitError",
    "MetricError",
    "MissingExtra",
    "PortInUse",
    "Prometheus",
    "QueryError",
    "RedisMetricsService",
    "ServiceFailed",
    "Stack",
    "StackError",
    "WriterStats",
    "controls",
    "dashboard",
    "live",
    "plot",
]

# Loaded on demand: an application that only records needs redis and nothing else, and a notebook not even that.
_LAZY = {
    "Prometheus": "labkit.prometheus.query",
    "RedisMetricsService": "labkit.writer",
    "Stack": "labkit.stack",
    "WriterStats": "labkit.writer",
    "controls": "labkit.notebook.panel",
    "live": "labkit.notebook.live",
}
_MODULES = {"dashboard": "labkit.plotting.dashboard", "plot": "labkit.plotting.charts"}
_CORE = ("RedisMetricsService", "WriterStats")


def __getattr__(name: str) -> Any:
    if name in _CORE:
        return _load(name)
    if name not in (*_LAZY, *_MODULES, "__version__"):
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    from labkit.extras import installed, needing

    if name == "__version__":
        return installed()
    with needing("lab", f"labkit.{name}"):
        return _load(name)


def _load(name: str) -> Any:
    from importlib import import_module

    return import_module(_MODULES[name]) if name in _MODULES else getattr(import_module(_LAZY[name]), name)


def load_ipython_extension(shell: "InteractiveShell") -> None:
    """Add labkit's magics to a notebook; called by `%load_ext labkit`."""
    from labkit.extras import needing

    with needing("lab", "%load_ext labkit"):
        from labkit.notebook.magics import magics

    magics.load_ipython_extension(shell)


def unload_ipython_extension(shell: "InteractiveShell") -> None:
    """Remove labkit's magics; called by `%unload_ext labkit`."""
    from labkit.notebook.magics import magics

    magics.unload_ipython_extension(shell)
