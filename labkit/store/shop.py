"""The queue: how many customers wait, look around and were served, and which steps can happen.

```
          look_around            serve
 waiting ────────────► active ──────────► served
    │  └───────── serve ──────────┘ │
    └───── leave ─────► gone ◄──────┘
```

Customers have no names here: a step takes any customer who can take it.
Nothing in this module knows of HTTP or metrics.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Literal, get_args

Event = Literal["joined", "looked_around", "served", "left"]
EVENTS: tuple[Event, ...] = get_args(Event)


class StepRefusedError(Exception):
    """A step cannot happen now; the message says why."""


@dataclass(frozen=True)
class Counts:
    """Customers in the queue (`waiting`), in the shop (`active`), `served` so far, and all who joined (`total`)."""

    waiting: int = 0
    active: int = 0
    served: int = 0
    total: int = 0


Watcher = Callable[[Event, Counts], None]


class Shop:
    """The state of the store. Threads may share it: one step happens at a time.

    Every watcher hears of every step, in the order of the steps, before the next one can happen. Watchers must be
    quick and must not call the shop.
    """

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers
        self._counts = Counts()
        self._lock = Lock()

    @property
    def counts(self) -> Counts:
        """How many customers there are now."""
        return self._counts

    def join(self) -> Counts:
        """A customer arrives and waits."""
        with self._lock:
            now = self._counts
            return self._apply("joined", replace(now, waiting=now.waiting + 1, total=now.total + 1))

    def look_around(self) -> Counts:
        """A waiting customer comes in and looks around.

        Raises:
            StepRefusedError: nobody is waiting.
        """
        with self._lock:
            now = self._counts
            if not now.waiting:
                raise StepRefusedError("Nobody is waiting, so nobody can come in and look around. Join first.")
            return self._apply("looked_around", replace(now, waiting=now.waiting - 1, active=now.active + 1))

    def serve(self) -> Counts:
        """A customer is served and goes: one who has looked around, or, if there is none, one who waits.

        Raises:
            StepRefusedError: the store is empty.
        """
        with self._lock:
            now = self._counts
            if now.active:
                return self._apply("served", replace(now, active=now.active - 1, served=now.served + 1))
            if now.waiting:
                return self._apply("served", replace(now, waiting=now.waiting - 1, served=now.served + 1))
            raise StepRefusedError("Nobody is waiting or looking around, so nobody can be served. Join first.")

    def leave(self) -> Counts:
        """A customer gives up and goes: one who waits, or, if there is none, one who looks around.

        Raises:
            StepRefusedError: the store is empty.
        """
        with self._lock:
            now = self._counts
            if now.waiting:
                return self._apply("left", replace(now, waiting=now.waiting - 1))
            if now.active:
                return self._apply("left", replace(now, active=now.active - 1))
            raise StepRefusedError("Nobody is waiting or looking around, so nobody can leave. Join first.")

    def _apply(self, event: Event, counts: Counts) -> Counts:
        self._counts = counts
        # Under the lock: a gauge set by the later step must not be overwritten by the earlier one.
        for watch in self._watchers:
            watch(event, counts)
        return counts
