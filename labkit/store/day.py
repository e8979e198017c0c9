"""A day of customers: a queueing model in SimPy. The same numbers give the same day.

Customers arrive at random, wait for one of a few places, look around and are served; who has waited longer than
their patience gives up and leaves.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Any

import simpy

from labkit.store.shop import Event

# Durations in simulated seconds. At the default arrival rate just about all places are taken.
PLACES = 6
MEAN_VISIT = 12.0
MEAN_PATIENCE = 20.0


@dataclass(frozen=True)
class Step:
    """What customer number `customer` does `at` this many simulated seconds after opening."""

    at: float
    customer: int
    event: Event


def day(customers: int, arrival_rate: float, seed: int) -> Iterator[Step]:
    """Yield the steps of a day in the order of time, as they are thought up; every customer comes and goes.

    Args:
        customers: how many come.
        arrival_rate: how many of them per simulated second, on average.
        seed: chooses the day.
    """
    model = _Model(arrival_rate, seed)
    model.env.process(model.arrivals(customers))
    while model.env.peek() < inf:
        model.env.step()
        while model.steps:
            yield model.steps.popleft()


class _Model:
    def __init__(self, arrival_rate: float, seed: int) -> None:
        self.env, self.steps = simpy.Environment(), deque[Step]()
        self._arrival_rate, self._places = arrival_rate, simpy.Resource(self.env, PLACES)
        self._random = Random(seed)  # noqa: S311  a day, not a secret

    def arrivals(self, customers: int) -> Any:
        for customer in range(customers):
            yield self.env.timeout(self._random.expovariate(self._arrival_rate))
            self.env.process(self._visit(customer))

    def _visit(self, customer: int) -> Any:
        self._note(customer, "joined")
        with self._places.request() as place:
            patience = self.env.timeout(self._random.expovariate(1 / MEAN_PATIENCE))
            if place not in (yield place | patience):
                self._note(customer, "left")
                return
            self._note(customer, "looked_around")
            yield self.env.timeout(self._random.expovariate(1 / MEAN_VISIT))
            self._note(customer, "served")

    def _note(self, customer: int, event: Event) -> None:
        self.steps.append(Step(self.env.now, customer, event))
