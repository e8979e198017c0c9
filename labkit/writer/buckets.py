"""Record: the bounds of a histogram's buckets, those that were given or the usual ones of its unit."""

import math
from collections.abc import Iterable
from itertools import islice
from typing import Final

from labkit.errors import MetricError
from labkit.writer.amounts import number_of
from labkit.writer.timer import PER_SECOND

# Each series holds a count per bucket, each scrape shows them all, and one script call in Redis takes 64 series.
MOST_BOUNDS = 500
# Those of prometheus_client, from a cache hit to a timeout.
_MILLISECONDS = (5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000)
# From 1 KiB to 1 GiB, each four times the one before it.
_BYTES = tuple(1024.0 * 4**power for power in range(11))
# Divided, not multiplied by a thousandth: so that 0.005 is the double that everybody writes as 0.005.
_DEFAULTS: Final = {unit: tuple(ms * n / 1000 for ms in _MILLISECONDS) for unit, n in PER_SECOND.items()}


def bounds_of(buckets: Iterable[float] | None, unit: str, name: str) -> tuple[float, ...]:
    """Return the upper bounds of `buckets`, or by default of the unit: seconds if there is none, other times, bytes.

    Infinity at the end is left out, as it is implied. The metric `name` is in the messages.

    Raises:
        MetricError: they are not finite numbers, there are more than `MOST_BOUNDS`, or the unit has no default.
    """
    if buckets is None:
        return _default(unit, name)
    bounds = _listed(buckets, name)
    while bounds and isinstance(bounds[-1], float) and bounds[-1] == math.inf:
        bounds.pop()
    if len(bounds) > MOST_BOUNDS:
        raise MetricError(f"{name} has more than {MOST_BOUNDS} buckets: each of its series would be as many numbers.")
    # Adding 0.0 makes 0 of -0, so that no bound has two texts.
    return tuple(number_of(bound, name) + 0.0 for bound in bounds)


def _listed(buckets: Iterable[float], name: str) -> list[float]:
    try:
        # No further than it takes to see that there are too many: they may have no end.
        return list(islice(buckets, MOST_BOUNDS + 2))
    except TypeError:
        raise MetricError(f"{name}: buckets={buckets!r} must be a list of upper bounds.") from None


def _default(unit: str, name: str) -> tuple[float, ...]:
    defaults = {**_DEFAULTS, "bytes": _BYTES}
    if unit not in defaults:
        known = ", ".join(filter(None, defaults))
        raise MetricError(f"{name}: the unit {unit!r} has no default buckets ({known} have); give its `buckets`.")
    return defaults[unit]
