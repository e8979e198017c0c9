"""Traffic that is turned while it runs: what Locust's own API is told, and what it says."""

from dataclasses import dataclass
from typing import Any

import httpx

from labkit.errors import ConnectionFailed, LabkitError
from labkit.traffic.schedule import SHAPES, Shape

HIGHEST_RATE = 200
CUSTOMERS_PER_SECOND = 100  # how quickly a higher rate is reached
TIMEOUT = 10.0
# Where `tapfile.py` says what it was asked for last.
WANTED = "/labkit/wanted"


@dataclass(frozen=True)
class Flow:
    """What flows now: `rate` in requests per second as Locust counts them (mean of 10 s), `customers` who are there.

    `wanted` and `shape` are what was asked for last; `failures` is the share of the requests that failed, 0 to 1.
    """

    running: bool
    wanted: int
    shape: Shape
    customers: int
    rate: float
    failures: float


def require(rate: float, shape: str) -> None:
    """Do nothing if there can be such traffic.

    Raises:
        LabkitError: there cannot; the message says what there can be.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= HIGHEST_RATE:
        raise LabkitError(f"rate={rate!r} is out of bounds; choose from 0 to {HIGHEST_RATE} requests per second.")
    if shape not in SHAPES:
        raise LabkitError(f"shape={shape!r} is not known; choose one of {', '.join(SHAPES)}.")


class Tap:
    """The Locust at `url` that runs `tapfile.py`."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        self._url, self._timeout = url.rstrip("/"), timeout

    def turn(self, rate: float, shape: Shape = "steady") -> None:
        """Let customers come at `rate` per second, 0 to 200, in whole numbers; it holds within two seconds.

        Raises:
            LabkitError: `rate` or `shape` makes no sense, or Locust refuses it.
            ConnectionFailed: no Locust answers.
        """
        require(rate, shape)
        if round(rate) == 0:
            self._ask("POST", "/stop")
            return
        customers = {"user_count": str(round(rate)), "spawn_rate": str(CUSTOMERS_PER_SECOND)}
        answer = self._ask("POST", "/swarm", **customers, shape=shape)
        if not answer.get("success"):
            raise LabkitError(f"Locust refused {rate:g} requests per second: {answer.get('message', answer)}")

    def flow(self) -> Flow:
        """Say what flows now.

        Raises:
            ConnectionFailed: no Locust answers.
        """
        told, asked = self._ask("GET", "/stats/requests"), self._ask("GET", WANTED)
        try:
            return _flow(told, asked)
        except (KeyError, TypeError, ValueError) as error:
            raise ConnectionFailed(f"What answers at {self._url} is no Locust of labkit's: {error!r}") from None

    def _ask(self, method: str, path: str, **form: str) -> dict[str, Any]:
        try:
            answer = httpx.request(
                method, f"{self._url}{path}", data=form or None, timeout=self._timeout, trust_env=False
            )
            answer.raise_for_status()
            told: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            raise ConnectionFailed(
                f"No Locust answers at {self._url} ({error}). Start it: stack.start_traffic()"
            ) from None
        return told


def _flow(told: dict[str, Any], asked: dict[str, Any]) -> Flow:
    running = told["state"] in ("running", "spawning")
    return Flow(
        running=running,
        wanted=int(asked["rate"]) if running else 0,
        shape=asked["shape"],
        customers=int(told["user_count"]),
        rate=float(told["current_rps"]),
        failures=float(told["fail_ratio"]),
    )
