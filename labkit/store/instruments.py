"""What the metrics say about the shop: one counter of events and four gauges."""

from labkit.store.shop import EVENTS, Counts, Event
from labkit.writer import RedisMetricsService

_GAUGES = {
    "waiting": "Users in the queue.",
    "active": "Users looking around.",
    "served": "Users served since the store started.",
    "total": "Users who joined since the store started.",
}


class Instruments:
    """The shop's metrics. All children are looked up once, so that they exist, at zero, before the first event."""

    def __init__(self, metrics: RedisMetricsService) -> None:
        events = metrics.counter("user_events", "What users did in the store.", ["event"])
        self._events = {event: events.labels(event=event) for event in EVENTS}
        self._gauges = {
            name: metrics.gauge(f"users_{name}", text, ["service"]).labels(service="store")
            for name, text in _GAUGES.items()
        }
        self._show(Counts())

    def record(self, event: Event, counts: Counts) -> None:
        """Count a step of the shop, and show how many users there are after it."""
        self._events[event].inc()
        self._show(counts)

    def _show(self, counts: Counts) -> None:
        for name, gauge in self._gauges.items():
            gauge.set(getattr(counts, name))
