"""From the values of an axis to places on it, 0 to 1, and the ticks between."""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil, floor, isfinite, log10
from typing import Any

import pandas as pd

Tick = tuple[float, str]

_DAY = 86_400
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 10_800, 21_600, 43_200, _DAY)
_PREFIXES = {-3: "n", -2: "µ", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T"}


# Of each scale, `at` returns the place of each value, NaN for one that has none, and `ticks` at most so many places
# with their labels.


class Numbers:
    """An axis of numbers from `low` to `high`; `format` and `suffix` are plotly's, for its labels."""

    def __init__(self, low: float, high: float, format: str = "", suffix: str = "") -> None:  # noqa: A002  plotly's word
        self._low, self._wide = low, (high - low) or 1.0
        self._format, self._suffix = format, suffix

    def at(self, values: Any) -> list[float]:
        return [(value - self._low) / self._wide for value in numbers(values)]

    def ticks(self, most: int) -> list[Tick]:
        step = self._step(self._wide / max(most, 1))
        first, last = ceil(self._low / step - 1e-9), floor((self._low + self._wide) / step + 1e-9)
        values = [place * step for place in range(first, last + 1)]
        return [((value - self._low) / self._wide, self._label(value, step)) for value in values]

    def _step(self, wanted: float) -> float:
        """The least that people like to read: 1, 2 or 5 times a power of ten."""
        power: float = 10.0 ** floor(log10(wanted))
        return next(power * times for times in (1, 2, 5, 10) if power * times >= wanted * 0.999)

    def _label(self, value: float, step: float) -> str:
        if "%" in self._format:
            return f"{value:.{_decimals(step * 100)}%}{self._suffix}"
        if "s" in self._format and value:
            power = min(4, max(-3, floor(log10(abs(value)) / 3 + 1e-9)))
            return f"{value / 1000.0**power:g}{_PREFIXES[power]}{self._suffix}"
        return f"{value:,.{_decimals(step)}f}{self._suffix}"


class Times(Numbers):
    """An axis of time, from `low` to `high` in seconds since 1970; its labels are UTC."""

    def at(self, values: Any) -> list[float]:
        return super().at(times(values))

    def _step(self, wanted: float) -> float:
        return next((each for each in _STEPS if each >= wanted), ceil(wanted / _DAY) * _DAY)

    def _label(self, value: float, step: float) -> str:  # noqa: ARG002  the axis' width decides
        spelled = "%H:%M:%S" if self._wide < _DAY / 2 else "%b %d" if self._wide > 7 * _DAY else "%b %d %H:%M"
        return datetime.fromtimestamp(value, UTC).strftime(spelled)


class Names:
    """An axis of names, each in the middle of its share."""

    def __init__(self, names: Sequence[str], suffix: str = "") -> None:
        self.names, self._suffix = list(dict.fromkeys(map(str, names))), suffix

    def at(self, values: Any) -> list[float]:
        places = {name: (place + 0.5) / len(self.names) for place, name in enumerate(self.names)}
        return [places.get(str(value), float("nan")) for value in values]

    def ticks(self, most: int) -> list[Tick]:
        each = ceil(len(self.names) / max(most, 1))
        shown = list(zip(self.at(self.names), self.names, strict=True))[::each]
        return [(place, f"{name}{self._suffix}") for place, name in shown]


Scale = Numbers | Names


def numbers(values: Any) -> list[float]:
    """Return values as numbers, NaN for what is not a number."""
    if values is None:
        return []
    as_floats = pd.to_numeric(pd.Series(list(values), dtype="object"), errors="coerce")
    return [value if isfinite(value) else float("nan") for value in as_floats.astype("float64")]


def times(values: Any) -> list[float]:
    """Return moments as seconds since 1970, NaN for what is not a time."""
    moments = pd.to_datetime(pd.Series(list(values), dtype="object"), utc=True, errors="coerce")
    return [float("nan") if pd.isna(moment) else moment.timestamp() for moment in moments]


def is_time(value: Any) -> bool:
    """Whether plotly would take a value for a moment."""
    return hasattr(value, "year") or type(value).__name__ == "datetime64"


def _decimals(step: float) -> int:
    return max(0, -floor(log10(step) + 1e-9))
