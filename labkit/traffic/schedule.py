"""When the requests of a traffic shape are due, and which steps a customer takes: decided before any is sent.

```
 steady ▇▇▇▇▇▇▇▇▇▇   ramp ▁▂▃▃▄▅▅▆▇█   spike ▂▂▂▂██▂▂▂▂
```
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf, sqrt
from random import Random
from typing import Any, Literal, get_args

from labkit.errors import LabkitError

Shape = Literal["steady", "ramp", "spike"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

# Corners of each shape: (share of the duration, share of the highest rate). Between two corners the rate is straight.
_CORNERS: dict[Shape, tuple[tuple[float, float], ...]] = {
    "steady": ((0, 1), (1, 1)),
    "ramp": ((0, 0), (1, 1)),
    "spike": ((0, 0.2), (0.4, 0.2), (0.4, 1), (0.6, 1), (0.6, 0.2), (1, 0.2)),
}


@dataclass(frozen=True)
class Schedule:
    """A traffic shape: at its highest `rate` requests per second, for `duration` seconds."""

    shape: Shape
    rate: float
    duration: float

    @property
    def total(self) -> int:
        """How many requests there are: on average `rate` (steady), a half (ramp) or 36 % (spike) of it per second."""
        areas = (_area(start, end) for start, end in pairwise(_CORNERS[self.shape]))
        return round(sum(areas) * self.rate * self.duration)

    def due(self, number: int) -> float:
        """When request `number` (the first is 0) is due, in seconds after the start; `inf` if there is no such one."""
        if number >= self.total:
            return inf
        # As evenly as the shape allows: each in the middle of its own stretch of the area under the rate.
        area = (number + 0.5) / (self.rate * self.duration)
        for start, end in pairwise(_CORNERS[self.shape]):
            if area < _area(start, end):
                return self.duration * _reached(area, start, end)
            area -= _area(start, end)
        return self.duration

    def crowd(self, seconds: float, customers: int) -> int:
        """How many of `customers` are there, at least one. When the rate falls they stay, and come less often."""
        past = seconds / self.duration
        corners = _CORNERS[self.shape]
        shares = (_share(past, start, end) for start, end in pairwise(corners) if start[0] <= past)
        return max(1, ceil(customers * max(shares)))


def level(shape: Shape, past: float) -> float:
    """Return the rate of a shape, as a share of its highest, when the share `past` of the time is over."""
    corners = _CORNERS[shape]
    here = [(start, end) for start, end in pairwise(corners) if start[0] <= past]
    return _share(past, *here[-1])


def customers_for(rate: float) -> int:
    """How many customers make `rate` requests per second look like a crowd, and not like a machine."""
    return min(100, max(5, ceil(rate)))


def journey(random: Random) -> Iterator[str]:
    """Yield the steps of one customer: queue, look around, be served; or give up earlier.

    One in thirty has never joined and only passes the door: their leaving is refused while the store is empty, or
    makes somebody else find their place gone.
    """
    if random.random() < 1 / 30:
        yield "left"
        return
    yield "join"
    if random.random() < 0.15:
        yield "left"
        return
    yield "look-around"
    yield "served" if random.random() < 0.9 else "left"


def after_refusal(step: str, random: Random) -> Iterator[str]:
    """Yield what follows a `step` that was refused because somebody took the customer's place in the store.

    Who cannot come in, because nobody waits, leaves: whoever took that place was inside, and left their own behind.
    Without that, the store would fill with places of customers who went long ago.
    """
    return iter(("left",)) if step == "look-around" else journey(random)


def before_closing(step: str, requests_left: int, inside: int) -> str:
    """Return `step`, or, when the requests left just suffice to send home who is inside, a step that does so.

    Args:
        step: what the journey says; `join` needs a later request to be undone.
        requests_left: on the schedule, the one for this step included.
        inside: customers of this traffic who are in the store.
    """
    if requests_left > inside + (step == "join"):
        return step
    return "served" if inside else "left"


def require(name: str, value: Any, bounds: tuple[float, float]) -> None:
    """Do nothing if an option is a number within its bounds.

    Raises:
        LabkitError: it is not; the message says what it may be.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and bounds[0] <= value <= bounds[1]):
        given = f"{value:g}" if number else repr(value)
        raise LabkitError(f"{name}={given} is out of bounds; choose from {bounds[0]:g} to {bounds[1]:g}.")


def require_shape(shape: str) -> None:
    """Do nothing if traffic can have this shape.

    Raises:
        LabkitError: it cannot; the message names those that it can have.
    """
    if shape not in SHAPES:
        raise LabkitError(f"shape={shape!r} is not known; choose one of {', '.join(SHAPES)}.")


def _area(start: tuple[float, float], end: tuple[float, float]) -> float:
    return (end[0] - start[0]) * (start[1] + end[1]) / 2


def _reached(area: float, start: tuple[float, float], end: tuple[float, float]) -> float:
    """How far to go from `start` until the area under the line is `area`: the stable root of a quadratic."""
    slope = (end[1] - start[1]) / (end[0] - start[0])
    return start[0] + 2 * area / (start[1] + sqrt(start[1] ** 2 + 2 * slope * area))


def _share(past: float, start: tuple[float, float], end: tuple[float, float]) -> float:
    width = end[0] - start[0]
    part = min(1.0, (past - start[0]) / width) if width else 1.0
    return start[1] + (end[1] - start[1]) * part
