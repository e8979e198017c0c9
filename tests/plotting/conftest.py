"""The queries of a Prometheus whose every value is known."""

from tests.prometheus.known_history import newest, prometheus, server

__all__ = ["newest", "prometheus", "server"]
