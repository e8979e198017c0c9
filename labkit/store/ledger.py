"""The ledger: exactly what happened, in plain integers. It knows nothing of the metrics that are checked by it."""

from collections import Counter
from dataclasses import dataclass
from threading import Lock

from labkit.store.shop import EVENTS, Counts, Event


@dataclass(frozen=True)
class RequestCount:
    """How often an endpoint was asked with one method, and how many of those failed: 4xx, 5xx or no answer."""

    endpoint: str
    method: str
    answered: int
    failed: int


class Ledger:
    """Counts events and requests since the store started. Threads may share it."""

    def __init__(self) -> None:
        self._events: Counter[Event] = Counter()
        self._answered: Counter[tuple[str, str]] = Counter()
        self._failed: Counter[tuple[str, str]] = Counter()
        self._lock = Lock()

    def happened(self, event: Event, _: Counts) -> None:
        """Count a step of the shop."""
        with self._lock:
            self._events[event] += 1

    def answered(self, endpoint: str, method: str, failed: bool) -> None:
        """Count a request, and whether it failed."""
        with self._lock:
            self._answered[endpoint, method] += 1
            self._failed[endpoint, method] += failed

    def events(self) -> dict[Event, int]:
        """How often each event happened; 0 for what never did."""
        with self._lock:
            return {event: self._events[event] for event in EVENTS}

    def requests(self) -> list[RequestCount]:
        """The requests, sorted by endpoint and method."""
        with self._lock:
            return [RequestCount(*key, count, self._failed[key]) for key, count in sorted(self._answered.items())]
