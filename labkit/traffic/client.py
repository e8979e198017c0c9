"""The client of a Locust that runs until it is stopped: set its rate, ask for its statistics."""

from dataclasses import dataclass
from typing import Any

from labkit.errors import ConnectionFailed, LabkitError
from labkit.traffic.schedule import Shape, require, require_shape
from labkit.web.client import request

HIGHEST_RATE = 200
CUSTOMERS_PER_SECOND = 100  # how quickly a higher rate is reached
TIMEOUT = 10.0
# Where the Locust file answers what it was asked for last.
WANTED = "/labkit/wanted"


@dataclass(frozen=True)
class LocustStats:
    """What Locust sends now: `rate` in requests per second as it counts them (mean of 10 s), `customers` at work.

    `wanted` and `shape` are what was asked for last; `failures` is the share of the requests that failed, 0 to 1.
    """

    running: bool
    wanted: int
    shape: Shape
    customers: int
    rate: float
    failures: float


def require_rate(rate: float, shape: str) -> None:
    """Do nothing if there can be such traffic.

    Raises:
        LabkitError: there cannot; the message says what there can be.
    """
    require("rate", rate, (0, HIGHEST_RATE))
    require_shape(shape)


class LocustClient:
    """The client of the Locust at `url`, which runs `locustfile.py --until-stopped`."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        self._url, self._timeout = url.rstrip("/"), timeout

    def set_rate(self, rate: float, shape: Shape = "steady") -> None:
        """Let customers come at `rate` per second, 0 to 200, in whole numbers; it holds within two seconds.

        Raises:
            LabkitError: `rate` or `shape` makes no sense, or Locust refuses it.
            ConnectionFailed: no Locust answers.
        """
        require_rate(rate, shape)
        if round(rate) == 0:
            self._ask("POST", "/stop")
            return
        customers = {"user_count": str(round(rate)), "spawn_rate": str(CUSTOMERS_PER_SECOND)}
        answer = self._ask("POST", "/swarm", **customers, shape=shape)
        if not answer.get("success"):
            raise LabkitError(f"Locust refused {rate:g} requests per second: {answer.get('message', answer)}")

    def stats(self) -> LocustStats:
        """Return what it sends now.

        Raises:
            ConnectionFailed: no Locust answers.
        """
        now, asked = self._ask("GET", "/stats/requests"), self._ask("GET", WANTED)
        try:
            running = now["state"] in ("running", "spawning")
            return LocustStats(
                running=running,
                wanted=int(asked["rate"]) if running else 0,
                shape=asked["shape"],
                customers=int(now["user_count"]),
                rate=float(now["current_rps"]),
                failures=float(now["fail_ratio"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConnectionFailed(f"The server at {self._url} is not labkit's Locust: {error!r}") from None

    def _ask(self, method: str, path: str, **form: str) -> dict[str, Any]:
        try:
            answer = request(method, f"{self._url}{path}", form=form, timeout=self._timeout)
        except OSError as error:
            raise self._failed(str(error)) from None
        found = answer.json()
        if answer.status != 200 or found is None:
            raise self._failed(f"HTTP {answer.status}: {answer.text[:200]}")
        return found

    def _failed(self, why: str) -> ConnectionFailed:
        return ConnectionFailed(f"No Locust answers at {self._url} ({why}). Start it: stack.start_traffic()")
