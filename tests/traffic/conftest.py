"""A store to send traffic to."""

from tests.store.process import store_process, store_url

__all__ = ["store_process", "store_url"]
