"""Customers for Locust: they walk through the store at a rate and in a shape of your choice.

    locust -f labkit/traffic/locustfile.py --host http://127.0.0.1:5050     then open http://127.0.0.1:8089
    locust -f labkit/traffic/locustfile.py --headless --rate 50 --shape spike --duration 60
    locust -f labkit/traffic/locustfile.py --until-stopped

On a schedule, each request is due at its own time, which all customers share, so the total is what was asked for as
long as the store answers quickly enough. `labkit.traffic.run.drive` runs it so, in a process of its own: importing
Locust changes the sockets and threads of the whole process.

With `--until-stopped` the web page or the API sets how many customers there are, and may set it again while they come.
Each asks for something once a second. That is less exact, and needs no end. `labkit.Stack.start_traffic` runs it so.
"""

import os
import sys
from itertools import count
from random import Random
from time import perf_counter
from typing import Any, ClassVar, cast

import gevent
from locust import FastHttpUser, LoadTestShape, constant_throughput, events, task
from locust.exception import StopUser

from labkit.traffic.client import CUSTOMERS_PER_SECOND, HIGHEST_RATE, WANTED
from labkit.traffic.schedule import SHAPES, Schedule, after_refusal, before_closing, customers_for, journey, level
from labkit.web.door import close_to_others

# Locust chooses the classes, and asks for options, before it has read any.
UNTIL_STOPPED = "--until-stopped" in sys.argv
REFUSED = " (refused)"
# What a slow store leaves over is sent late, for up to so many seconds, and then not at all.
OVERTIME = 5.0
PERIOD = 60.0  # s, after which a shape begins anew, until stopped
CHANGES = {"join": 1, "look-around": 0, "served": -1, "left": -1}


class ScheduledCrowd(LoadTestShape):
    """The schedule, how many customers there are to keep it, and how many of them are `inside` the store."""

    abstract = UNTIL_STOPPED
    inside = sent = 0

    def reset_time(self) -> None:
        """Start over, with the options as they are now: the web page may have changed them."""
        super().reset_time()  # type: ignore[no-untyped-call]  # Locust's own
        options = _options(self)
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


class SteeredCrowd(LoadTestShape):
    """As many customers as the page or the API last asked for, in the shape that they asked for."""

    abstract = not UNTIL_STOPPED
    use_common_options: ClassVar[bool] = True

    def tick(self) -> tuple[int, float]:
        """Return (customers wanted, customers to add per second); Locust asks once a second."""
        wanted = _wanted(_options(self))
        share = level(wanted["shape"], float(self.get_run_time()) % PERIOD / PERIOD)  # type: ignore[no-untyped-call]  # Locust's own
        return max(1, round(wanted["rate"] * share)), CUSTOMERS_PER_SECOND


class Customer(FastHttpUser):
    """One customer after the other: join, look around, be served or leave."""

    abstract = True
    host = "http://127.0.0.1:5050"
    connection_timeout = network_timeout = 10.0

    def on_start(self) -> None:
        """Come in."""
        self._random = Random()  # noqa: S311  a customer's mood, not a secret
        self._journey = journey(self._random)

    @task
    def take_a_step(self) -> None:
        """Take the next step of the journey; the next customer follows at its end."""
        step = next(self._journey, None)
        if step is None:
            self._journey = journey(self._random)
            step = next(self._journey)
        self.take(step)

    def take(self, step: str) -> None:
        """Take a step, and note who is inside."""
        raise NotImplementedError

    def ask(self, step: str) -> int:
        """Ask the store for a step; return the status of its answer."""
        with self.client.get(f"/api/store/{step}", catch_response=True) as answer:
            # The place was taken by somebody else, which is no failure of the store; but anybody may join.
            if answer.status_code == 409 and step != "join":
                answer.request_meta["name"] += REFUSED
                answer.success()
                self._journey = after_refusal(step, self._random)
            return int(answer.status_code)


class ScheduledCustomer(Customer):
    """A customer who takes each step when the schedule says so."""

    abstract = UNTIL_STOPPED

    def on_start(self) -> None:
        """Come in, and wait for the first turn."""
        super().on_start()
        self.wait()  # type: ignore[no-untyped-call]  # Locust's own

    def wait_time(self) -> float:
        """Return the seconds until the next request is due."""
        seconds, self._requests_left = self._crowd.next_turn()
        return seconds

    def take(self, step: str) -> None:
        """Take the step, or at the end one that leaves the store empty."""
        step = before_closing(step, self._requests_left, self._crowd.inside)
        # Counted before the answer: two at once must not both believe that there is room for one more.
        self._crowd.inside += CHANGES[step]
        self._crowd.sent += 1
        if self.ask(step) != 200:
            self._crowd.inside -= CHANGES[step]

    @property
    def _crowd(self) -> ScheduledCrowd:
        return cast("ScheduledCrowd", self.environment.shape_class)


class SteeredCustomer(Customer):
    """A customer who takes one step a second."""

    abstract = not UNTIL_STOPPED
    wait_time = constant_throughput(1)
    _inside = False

    def on_start(self) -> None:
        """Come in, at a moment of one's own, so that not all steps fall together."""
        super().on_start()
        gevent.sleep(self._random.random())

    def on_stop(self) -> None:
        """Go home, so that the store is left as it was found."""
        if self._inside:
            self.take("left")

    def take(self, step: str) -> None:
        """Take the step, and remember whether it led into the store."""
        status = self.ask(step)
        if status == 200:
            self._inside = CHANGES[step] > 0 or (CHANGES[step] == 0 and self._inside)
        elif status == 409 and step != "join":
            self._inside = step == "look-around"


def add_options(parser: Any) -> None:
    """Add what shapes the traffic; the web page asks for the same, until stopped for the shape alone."""

    def add(name: str, kind: type, default: float, meaning: str, *, asked: bool = not UNTIL_STOPPED) -> None:
        parser.add_argument(name, type=kind, default=default, help=meaning, include_in_web_ui=asked)

    parser.add_argument("--shape", choices=SHAPES, default="steady", help="How the rate changes over time.")
    add("--rate", float, 20.0, "Requests per second, at the highest.")
    add("--duration", float, 60.0, "How long, in seconds.")
    add("--customers", int, 0, "How many at once; 0: as the rate needs.")
    add("--parent", int, 0, "End with this process.", asked=False)
    parser.add_argument(
        "--until-stopped", action="store_true", include_in_web_ui=False, help="No end; the page sets the rate."
    )
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


def add_wanted(environment: Any, **_: Any) -> None:
    """Let Locust's web server say what was asked for last: its own pages do not."""
    if environment.web_ui:
        environment.web_ui.app.add_url_rule(WANTED, view_func=lambda: _wanted(environment.parsed_options))


def _wanted(options: Any) -> dict[str, Any]:
    return {"rate": min(HIGHEST_RATE, options.num_users or 1), "shape": options.shape}


def _options(crowd: LoadTestShape) -> Any:
    return crowd.runner.environment.parsed_options if crowd.runner else None


# Locust has no types for its events.
_events: Any = events
_events.init_command_line_parser.add_listener(add_options)
for _listener in (close_to_others, watch_parent, add_wanted):
    _events.init.add_listener(_listener)
