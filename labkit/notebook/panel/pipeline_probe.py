"""Where one counter is: what the application, Redis, the sidecar and Prometheus know of it at this moment."""

import json
import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import NamedTuple

import redis

from labkit.errors import QueryError
from labkit.prometheus.client import MALFORMED, Client
from labkit.stack import ServiceStatus
from labkit.web.client import Response, request

EVENTS = ("joined", "looked_around", "served", "left")
# A stage that does not answer within this time is shown without a value; the others do not wait for it longer, s.
TIMEOUT = 0.8
# One more with every batch of the store: by it, each stage tells which batch it has seen.
_BATCHES = 'labkit_writer_batches_total{outcome="applied"}'
_BATCHES_KEY = "metrics:counter:labkit_writer_batches_total:outcome=applied"
_MEMORY = 4000


@dataclass(frozen=True)
class StageReading:
    """What one stage says. `value` of the counter and `age` of its newest data (s) are None if nobody knows.

    `state` is that of `ServiceStatus`: "answering", "silent", "paused" or "dead". `last` is the last value that was
    ever seen there. `tries_in` (s) is when an application tries again whose last attempt to reach Redis failed.
    """

    service: str
    state: str
    value: float | None = None
    age: float | None = None
    last: float | None = None
    tries_in: float | None = None


class Answer(NamedTuple):
    """The counter's value, how many batches are in it (None: the stage is before them), and as in `StageReading`."""

    value: float | None
    batches: float | None = None
    tries_in: float | None = None


class PipelineProbe:
    """Reads the stages, and remembers when each batch was written, which tells how old a value is.

    Not thread-safe.
    """

    def __init__(self) -> None:
        self._counts: list[float] = []
        self._times: list[float] = []
        self._last: dict[tuple[str, str], float] = {}

    def read(self, rows: list[ServiceStatus], event: str) -> list[StageReading]:
        """Ask those that answer; return the stages in the order of the path."""
        by_name = {row.service: row for row in rows}
        order = {"store": _ask_store, "redis": self._ask_redis, "sidecar": _ask_sidecar, "prometheus": _ask_prometheus}
        # From the last stage to the first: otherwise a stage could hold more than what was read of the one before it.
        answers = {name: _safely(order[name], by_name[name], event) for name in reversed(order)}
        return [self._stage(by_name[name], answers[name], event) for name in order]

    def _stage(self, row: ServiceStatus, answer: Answer | None, event: str) -> StageReading:
        place = row.service, event
        if answer is None:
            return StageReading(
                row.service, "silent" if row.state == "answering" else row.state, last=self._last.get(place)
            )
        if answer.value is not None:
            self._last[place] = answer.value
        age = 0.0 if row.service == "store" else self._age(answer.batches)
        return StageReading(row.service, row.state, answer.value, age, self._last.get(place), answer.tries_in)

    def _age(self, batches: float | None) -> float | None:
        """Seconds since the batch was written that is the newest in a value."""
        if batches is None or not self._counts or not self._counts[0] <= batches <= self._counts[-1]:
            return None
        return max(0.0, time() - self._times[bisect_left(self._counts, batches)])

    def _ask_redis(self, url: str, event: str) -> Answer:
        with redis.Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT) as client:
            kept, written = client.mget(f"metrics:counter:user_events:event={event}", _BATCHES_KEY)
        batches = json.loads(written) if written else None
        if batches:
            self._remember(float(batches["value"]), float(batches["updated"]))
        value = float(json.loads(kept)["value"]) if kept else None
        return Answer(value, float(batches["value"]) if batches else None)

    def _remember(self, count: float, written: float) -> None:
        if self._counts and count < self._counts[-1]:
            # Redis was emptied, and counts anew.
            self._counts, self._times = [], []
        if not self._counts or count > self._counts[-1]:
            self._counts, self._times = [*self._counts[-_MEMORY:], count], [*self._times[-_MEMORY:], written]


def _safely(ask: Callable[[str, str], Answer], row: ServiceStatus, event: str) -> Answer | None:
    """Ask a stage that is said to answer; None if it does not, which is what the picture then shows."""
    if row.state != "answering":
        return None
    try:
        return ask(row.url, event)
    except (redis.RedisError, QueryError, OSError, RecursionError, *MALFORMED):
        return None


def _ask_store(url: str, event: str) -> Answer:
    status = _get(f"{url}/api/store/status").json() or {}
    writer = status["writer"]
    value = float(status["ledger"]["events"][event])
    return Answer(value, tries_in=float(writer["next_try"]) if writer["error"] else None)


def _ask_sidecar(url: str, event: str) -> Answer:
    # The stock sidecar has the whole name as a label, with its quotation marks escaped, and takes no name[].
    page = _get(f"{url}/metrics?name[]=user_events&name[]=labkit_writer_batches_total").text.replace('\\"', '"')
    return Answer(_on_page(page, f'user_events{{event="{event}"}}'), _on_page(page, _BATCHES))


def _on_page(page: str, name: str) -> float | None:
    found = re.search(rf'(?:^|key="){re.escape(name)}(?:"[^}}]*}})? (\S+)$', page, re.MULTILINE)
    return float(found[1]) if found else None


def _ask_prometheus(url: str, event: str) -> Answer:
    query = f'label_replace(sum(user_events{{event="{event}"}}), "is", "value", "", "") or sum({_BATCHES})'
    result = Client(url, TIMEOUT, grace=0).instant(query, time())["data"]["result"]
    told = {line["metric"].get("is", "batches"): float(line["value"][1]) for line in result}
    return Answer(told.get("value"), told.get("batches"))


def _get(url: str) -> Response:
    answer = request("GET", url, timeout=TIMEOUT)
    if answer.status != 200:
        raise OSError(f"HTTP {answer.status}")
    return answer
