"""labkit: a metrics pipeline to see, measure and break, made of parts good enough to run.

The journey of a value, and the module that handles it at each stage:

    record ──► batch ──► Redis ──► Lua ──► exposition ──► Prometheus ──► query ──► plot
    └─ writer ────┘      keys      script  └─ sidecar                    client    theme, picture
                         digits    lua/                                  query     series, plot
                                                                         answers   panels, grid
                                                                                   dashboard

Off the path: `store` (what is observed), `stack` (the processes that run it for real), `experiments` (what is
measured). What users touch: `cli`; in JupyterLab `ask` (magics), `live_figure`, `control_panel` and `proxies` (the
launcher's tiles); `exercises` (the course's checks), `report` (a notebook for readers) and `pytest_plugin` (for their
own tests).
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

    from labkit import dashboard, plot
    from labkit.control_panel import controls
    from labkit.live_figure import live
    from labkit.query import Prometheus
    from labkit.stack import Stack
    from labkit.writer.service import RedisMetricsService
    from labkit.writer.telemetry import WriterStats

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
    "Prometheus": "labkit.query",
    "RedisMetricsService": "labkit.writer.service",
    "Stack": "labkit.stack",
    "WriterStats": "labkit.writer.telemetry",
    "controls": "labkit.control_panel",
    "live": "labkit.live_figure",
}
_MODULES = ("dashboard", "plot")
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

    return import_module(f"labkit.{name}") if name in _MODULES else getattr(import_module(_LAZY[name]), name)


def load_ipython_extension(shell: "InteractiveShell") -> None:
    """Add labkit's magics to a notebook; called by `%load_ext labkit`."""
    from labkit.extras import needing

    with needing("lab", "%load_ext labkit"):
        from labkit.ask import magics

    magics.load_ipython_extension(shell)


def unload_ipython_extension(shell: "InteractiveShell") -> None:
    """Remove labkit's magics; called by `%unload_ext labkit`."""
    from labkit.ask import magics

    magics.unload_ipython_extension(shell)
