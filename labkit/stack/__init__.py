"""The real processes: Redis or Valkey, the store, a sidecar and Prometheus, without root and without containers."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.stack.lab import ServiceStatus
    from labkit.stack.services import SERVICES
    from labkit.stack.stack import Stack

__all__ = ["SERVICES", "ServiceStatus", "Stack"]

# Loaded on demand: the command line and pytest read `labkit.stack.options`, and nothing else, at every start.
_LAZY = {"SERVICES": "services", "ServiceStatus": "lab", "Stack": "stack"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LAZY:
        raise AttributeError(f"module 'labkit.stack' has no attribute {name!r}")
    return getattr(import_module(f"labkit.stack.{_LAZY[name]}"), name)
