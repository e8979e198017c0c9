"""Customers for Locust whose number is turned while they come, by its web page or its API.

    locust -f labkit/traffic/tapfile.py --host http://127.0.0.1:5050     then open http://127.0.0.1:8089

Each customer asks for something once a second, so there are as many requests per second as customers. That is less
exact than the schedule of `locustfile.py`, and needs no end. `labkit.Stack.start_traffic` runs this file.
"""

from random import Random
from typing import Any, ClassVar

import gevent
from locust import FastHttpUser, LoadTestShape, constant_throughput, events, task

from labkit.traffic.schedule import SHAPES, after_refusal, journey, level
from labkit.traffic.tap import CUSTOMERS_PER_SECOND, HIGHEST_RATE, WANTED
from labkit.web.guard import guard_locust

REFUSED = " (refused)"
PERIOD = 60.0  # s, after which a shape begins anew
CHANGES = {"join": True, "served": False, "left": False}


class Tap(LoadTestShape):
    """As many customers as the page or the API last asked for, in the shape that they asked for."""

    use_common_options: ClassVar[bool] = True

    def tick(self) -> tuple[int, float]:
        """Return (customers wanted, customers to add per second); Locust asks once a second."""
        options: Any = self.runner.environment.parsed_options if self.runner else None
        highest = min(HIGHEST_RATE, options.num_users or 1)
        share = level(options.shape, float(self.get_run_time()) % PERIOD / PERIOD)  # type: ignore[no-untyped-call]  # Locust's own
        return max(1, round(highest * share)), CUSTOMERS_PER_SECOND


class Customer(FastHttpUser):
    """One customer after the other: join, look around, be served or leave; one step a second."""

    host = "http://127.0.0.1:5050"
    connection_timeout = network_timeout = 10.0
    wait_time = constant_throughput(1)

    def on_start(self) -> None:
        """Come in, at a moment of one's own, so that not all steps fall together."""
        self._random, self._inside = Random(), False  # noqa: S311  a customer's mood, not a secret
        self._journey = journey(self._random)
        gevent.sleep(self._random.random())

    def on_stop(self) -> None:
        """Go home, so that the store is left as it was found."""
        if self._inside:
            self._take("left")

    @task
    def take_a_step(self) -> None:
        """Take the next step of the journey; the next customer follows at its end."""
        step = next(self._journey, None)
        if step is None:
            self._journey = journey(self._random)
            step = next(self._journey)
        self._take(step)

    def _take(self, step: str) -> None:
        with self.client.get(f"/api/store/{step}", catch_response=True) as answer:
            # The place was taken by somebody else, which is no failure of the store.
            if answer.status_code == 409 and step != "join":
                answer.request_meta["name"] += REFUSED
                answer.success()
                self._journey, self._inside = after_refusal(step, self._random), step == "look-around"
            elif answer.status_code == 200:
                self._inside = CHANGES.get(step, self._inside)


def add_options(parser: Any) -> None:
    """Add what shapes the traffic; the web page asks for the same."""
    parser.add_argument("--shape", choices=SHAPES, default="steady", help="How the rate changes within each minute.")
    # Locust's page may start traffic to anywhere: not for the whole network to use, nor for pages of other sites.
    parser.set_defaults(web_host="127.0.0.1")


def add_wanted(environment: Any, **_: Any) -> None:
    """Let Locust's web server say what was asked for last: its own pages do not."""
    if environment.web_ui:

        @environment.web_ui.app.route(WANTED)  # type: ignore[untyped-decorator]  # Flask's
        def wanted() -> dict[str, Any]:
            options = environment.parsed_options
            return {"rate": min(HIGHEST_RATE, options.num_users or 1), "shape": options.shape}


# Locust has no types for its events.
_events: Any = events
_events.init_command_line_parser.add_listener(add_options)
_events.init.add_listener(guard_locust)
_events.init.add_listener(add_wanted)
