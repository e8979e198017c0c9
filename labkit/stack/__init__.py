"""The real processes: Redis or Valkey, the store, a sidecar and Prometheus, without root and without containers."""

from labkit.stack.services import SERVICES
from labkit.stack.stack import ServiceStatus, Stack

__all__ = ["SERVICES", "ServiceStatus", "Stack"]
