"""The real processes: Redis or Valkey, the store, a sidecar and Prometheus, without root and without containers."""

from labkit.stack.lab import ServiceStatus
from labkit.stack.services import SERVICES
from labkit.stack.stack import Stack

__all__ = ["SERVICES", "ServiceStatus", "Stack"]
