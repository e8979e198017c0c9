"""A store that answers whom it may."""

from tests.store.process import store_process, store_url

__all__ = ["store_process", "store_url"]
