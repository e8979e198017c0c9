"""An application that records what it does: it takes orders, one amount per line, from standard input.

$ printf '12.50\nnothing\n' | REDIS_URL=redis://127.0.0.1:6379/0 python orders.py
"""

import os
import sys

from labkit import RedisMetricsService


class Orders:
    """Takes orders, and counts them by outcome."""

    def __init__(self, metrics: RedisMetricsService) -> None:
        taken = metrics.counter("orders", "Orders, by what became of them.", ["outcome"])
        self._accepted, self._refused = taken.labels(outcome="accepted"), taken.labels(outcome="refused")
        self._amounts = metrics.histogram(
            "order_amount_euros", "What an accepted order was worth.", buckets=[10, 20, 50, 100]
        )

    def take(self, text: str) -> bool:
        """Accept an order if its amount is a number above 0."""
        try:
            amount = float(text)
        except ValueError:
            amount = 0
        if not 0 < amount < float("inf"):
            self._refused.inc()
            return False
        self._amounts.observe(amount)
        self._accepted.inc()
        return True


if __name__ == "__main__":
    with RedisMetricsService(os.environ["REDIS_URL"], flush_interval=0.5) as service:
        orders = Orders(service)
        for line in sys.stdin:
            orders.take(line)
