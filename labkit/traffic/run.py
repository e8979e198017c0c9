"""Traffic: Locust, run headless in a child process, and what it measured.

Locust changes the sockets and threads of the process that imports it, so it never runs in ours.
"""

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from labkit.errors import ConnectionFailed, LabkitError
from labkit.traffic.schedule import Shape, customers_for, require, require_shape
from labkit.ui.interrupts import defer_interrupts
from labkit.ui.progress import progress
from labkit.web.client import request

RATES = (0.1, 1000.0)
DURATIONS = (1.0, 3600.0)
USERS = (1, 1000)
# Time to start and to stop Locust, in seconds, on a busy machine.
GRACE = 60.0

_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_REFUSED = " (refused)"
_TICK = 0.2


@dataclass(frozen=True)
class Traffic:
    """What was sent, and how it was answered. Times to answer as the client saw them, in ms, to two digits.

    `failures` are requests without the answer that was expected; `refused` are 409s, which a customer expects who
    finds their place taken. `rate` is requests per second over `seconds`, from the start to the last answer.
    """

    requests: int
    failures: int
    refused: int
    seconds: float
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


def drive(  # noqa: PLR0913  one option, one word
    url: str,
    *,
    rate: float,
    duration: float,
    shape: Shape = "steady",
    users: int | None = None,
    on_progress: Callable[[float], object] | None = None,
) -> Traffic:
    """Send customers through the store at `url`, and return when they are done.

    The number of requests is exact, and so is the rate, as long as the store keeps up: 20.0 and 100.0 were measured
    for 20 and 100. What a slow store leaves over is sent for five seconds more. Who is inside before the end is served,
    so that the store is left as empty as it was.

    Args:
        url: the store's root, such as `http://127.0.0.1:5050`.
        rate: requests per second in total, 0.1 to 1000: always (steady), at the end (ramp; on average a half of it),
            or in the middle fifth of the time (spike; a fifth of it otherwise, on average 36 %).
        duration: seconds, 1 to 3600.
        shape: "steady", "ramp" or "spike".
        users: customers at the same time; by default as many as requests per second, 5 to 100.
        on_progress: called several times a second with the share that is done, 0 to 1. By default, a bar is shown to
            whoever watches.

    Raises:
        ConnectionFailed: no store answers at `url`.
        LabkitError: an option is out of bounds, or Locust failed; the message has the end of its log.
    """
    require("rate", rate, RATES)
    require("duration", duration, DURATIONS)
    require_shape(shape)
    customers = customers_for(rate) if users is None else users
    require("users", customers, USERS)
    _require_store(url)
    options = {"rate": rate, "duration": duration, "shape": shape, "customers": customers, "host": url}
    shown = nullcontext(on_progress) if on_progress else progress(f"{rate:g} requests/s for {duration:g} s")
    with shown as tell:
        return _read(_run(options, duration, tell), duration)


def _require_store(url: str) -> None:
    remedy = "Start the lab with `labkit up`, or a store alone with `labkit store`."
    try:
        status = request("GET", f"{url.rstrip('/')}/-/healthy").status
    except OSError as error:
        raise ConnectionFailed(f"No store answers at {url} ({error}). {remedy}") from None
    if status != 200:
        raise ConnectionFailed(f"The health check of the store at {url} failed with HTTP {status}. {remedy}")


def _run(options: dict[str, Any], duration: float, on_progress: Callable[[float], object]) -> str:
    command = [sys.executable, "-P", "-m", "locust", "-f", str(_LOCUSTFILE), "--headless", "--only-summary", "--json"]
    command += ["--loglevel", "ERROR", "--exit-code-on-error", "0", "--stop-timeout", "10"]
    command += ["--parent", str(os.getpid()), *(f"--{name}={value}" for name, value in options.items())]
    # Locust also takes its options from the environment; nothing but the arguments shall count.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    # A session of its own: Ctrl-C is for us, and we end the child. Locust takes options and modules from the folder
    # in which it starts, which may be anybody's.
    pipe = subprocess.PIPE
    with ExitStack() as at_the_end:
        with defer_interrupts():
            child = subprocess.Popen(
                command, stdout=pipe, stderr=pipe, text=True, env=environment, cwd="/", start_new_session=True
            )
            at_the_end.callback(_end, child)
        output, log = _await(child, duration, on_progress)
    if child.returncode:
        raise LabkitError(f"Locust ended with code {child.returncode}; the end of its log: {log.strip()[-500:]}")
    return output


def _end(child: "subprocess.Popen[str]") -> None:
    with child:
        child.kill()


def _await(child: "subprocess.Popen[str]", duration: float, on_progress: Callable[[float], object]) -> tuple[str, str]:
    started = monotonic()
    while (elapsed := monotonic() - started) < duration + GRACE:
        try:
            result = child.communicate(timeout=_TICK)
        except subprocess.TimeoutExpired:
            on_progress(min(0.99, elapsed / duration))
        else:
            on_progress(1.0)
            return result
    raise LabkitError(f"Locust did not end within {duration + GRACE:.0f} s; is the machine overloaded?")


def _read(output: str, duration: float) -> Traffic:
    try:
        entries = json.loads(output)
    except json.JSONDecodeError:
        raise LabkitError(f"Locust's summary cannot be read: {output.strip()[:200]!r}") from None
    times: Counter[float] = Counter()
    for entry in entries:
        times.update({float(ms): n for ms, n in entry["response_times"].items()})
    requests = sum(entry["num_requests"] for entry in entries)
    # Locust's clock starts with the first request, which is not due at once.
    seconds = max(float(duration), _span(entries))
    return Traffic(
        requests=requests,
        failures=sum(entry["num_failures"] for entry in entries),
        refused=sum(entry["num_requests"] for entry in entries if entry["name"].endswith(_REFUSED)),
        seconds=seconds,
        rate=requests / seconds,
        p50_ms=_quantile(times, 0.50),
        p95_ms=_quantile(times, 0.95),
        p99_ms=_quantile(times, 0.99),
    )


def _span(entries: list[dict[str, Any]]) -> float:
    """From the first request to the last answer, in seconds."""
    lasts = [float(entry["last_request_timestamp"]) for entry in entries]
    return max(lasts) - min(float(entry["start_time"]) for entry in entries) if entries else 0.0


def _quantile(times: Counter[float], q: float) -> float:
    """The time within which a share `q` of the requests was answered, in ms; NaN if there were none."""
    needed = times.total() * q
    for milliseconds in sorted(times):
        needed -= times[milliseconds]
        if needed <= 0:
            return milliseconds
    return math.nan
