"""Customers for Locust: they walk through the store at a rate and in a shape of your choice.

    locust -f labkit/traffic/locustfile.py --host http://127.0.0.1:5050     then open http://127.0.0.1:8089
    locust -f labkit/traffic/locustfile.py --headless --rate 50 --shape spike --duration 60

Each request is due at its own time on one schedule that all customers share, so the total is what was asked for as
long as the store answers quickly enough. `labkit.traffic.run.drive` runs this file in a process of its own: importing
Locust changes the sockets and threads of the whole process.
"""

import os
from itertools import count
from random import Random
from time import perf_counter
from typing import Any, cast

import gevent
from locust import FastHttpUser, LoadTestShape, events, task
from locust.exception import StopUser

from labkit.traffic.schedule import SHAPES, Schedule, after_refusal, before_closing, customers_for, journey
from labkit.web.guard import guard_locust

REFUSED = " (refused)"
# What a slow store leaves over is sent late, for up to so many seconds, and then not at all.
OVERTIME = 5.0
CHANGES = {"join": 1, "look-around": 0, "served": -1, "left": -1}


class Crowd(LoadTestShape):
    """The schedule, how many customers there are to keep it, and how many of them are `inside` the store."""

    inside = sent = 0

    def reset_time(self) -> None:
        """Start over, with the options as they are now: the web page may have changed them."""
        super().reset_time()  # type: ignore[no-untyped-call]  # Locust's own
        options: Any = self.runner.environment.parsed_options if self.runner else None
        self._schedule: Schedule = Schedule(options.shape, options.rate, options.duration)
        self._customers = options.customers or customers_for(options.rate)
        self._numbers, self.inside, self.sent = count(), 0, 0

    def tick(self) -> tuple[int, float] | None:
        """Return (customers wanted, customers to add per second), or None at the end."""
        now, end = self._now(), self._schedule.duration
        if now >= end and (self.sent >= self._schedule.total or now >= end + OVERTIME):
            return None
        return self._schedule.crowd(now, self._customers), self._customers

    def next_turn(self) -> tuple[float, int]:
        """Take the next request off the schedule: the seconds until it is due, and how many are left with it."""
        number = next(self._numbers)
        if number >= self._schedule.total:
            raise StopUser
        return max(0.0, self._schedule.due(number) - self._now()), self._schedule.total - number

    def _now(self) -> float:
        return perf_counter() - float(self.start_time)


class Customer(FastHttpUser):
    """One customer after the other: join, look around, be served or leave."""

    host = "http://127.0.0.1:5050"
    connection_timeout = network_timeout = 10.0

    def on_start(self) -> None:
        """Come in, and wait for the first turn."""
        self._random = Random()  # noqa: S311  a customer's mood, not a secret
        self._journey = journey(self._random)
        self.wait()  # type: ignore[no-untyped-call]  # Locust's own

    @property
    def _crowd(self) -> Crowd:
        return cast("Crowd", self.environment.shape_class)

    def wait_time(self) -> float:
        """Return the seconds until the next request is due."""
        seconds, self._requests_left = self._crowd.next_turn()
        return seconds

    @task
    def take_a_step(self) -> None:
        """Take the next step of the journey; the next customer follows at its end."""
        step = next(self._journey, None)
        if step is None:
            self._journey = journey(self._random)
            step = next(self._journey)
        self._take(before_closing(step, self._requests_left, self._crowd.inside))

    def _take(self, step: str) -> None:
        # Counted before the answer: two at once must not both believe that there is room for one more.
        self._crowd.inside += CHANGES[step]
        self._crowd.sent += 1
        with self.client.get(f"/api/store/{step}", catch_response=True) as answer:
            if answer.status_code != 200:
                self._crowd.inside -= CHANGES[step]
            # The place was taken by somebody else, which is no failure of the store; but anybody may join.
            if answer.status_code == 409 and step != "join":
                answer.request_meta["name"] += REFUSED
                answer.success()
                self._journey = after_refusal(step, self._random)


def add_options(parser: Any) -> None:
    """Add what shapes the traffic; the web page asks for the same."""
    parser.add_argument("--rate", type=float, default=20.0, help="Requests per second, at the highest.")
    parser.add_argument("--shape", choices=SHAPES, default="steady", help="How the rate changes over time.")
    parser.add_argument("--duration", type=float, default=60.0, help="How long, in seconds.")
    parser.add_argument("--customers", type=int, default=0, help="How many at once; 0: as the rate needs.")
    parser.add_argument("--parent", type=int, default=0, include_in_web_ui=False, help="End with this process.")
    # Locust's page may start traffic to anywhere: not for the whole network to use, nor for pages of other sites.
    parser.set_defaults(web_host="127.0.0.1")


def watch_parent(environment: Any, **_: Any) -> None:
    """End at once if the process that started this one is gone: nobody waits for the result."""
    parent = environment.parsed_options.parent

    def watch() -> None:
        while os.getppid() == parent:
            gevent.sleep(1)
        os._exit(1)

    if parent:
        gevent.spawn(watch)


# Locust has no types for its events.
_events: Any = events
_events.init_command_line_parser.add_listener(add_options)
_events.init.add_listener(guard_locust)
_events.init.add_listener(watch_parent)
