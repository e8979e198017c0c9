"""The axes of a figure: which scale each has, how wide its labels are, and how it is drawn."""

from collections.abc import Iterable
from math import isnan
from typing import Any

import plotly.graph_objects as go

from labkit.plotting.picture.marks import Frame
from labkit.plotting.picture.scales import Names, Numbers, Scale, Times, is_time, numbers, times
from labkit.plotting.picture.text import width, write

SIZE = 11
_GRID = 'stroke="#80868e" stroke-opacity=".25"'


def scale(figure: go.Figure, name: str, traces: Iterable[Any]) -> Scale:
    """Return the scale of an axis, such as "x" or "y3", for the traces on it."""
    axis, letter = setting(figure, name), name[0]
    columns = [column for trace in traces if (column := getattr(trace, letter)) is not None]
    values = [value for column in columns for value in column]
    limits = list(axis.range or ())
    if any(map(is_time, [*limits, *values])) or (axis.type == "date" and (limits or values)):
        moments = [moment for moment in times(limits or values) if not isnan(moment)]
        return Times(min(moments, default=0), max(moments, default=1))
    if axis.type == "category" or any(isinstance(value, str) for value in values):
        return Names(values or [""], axis.ticksuffix or "")
    return _numbers(axis, limits, numbers(values), from_zero=_from_zero(figure, axis, letter))


def setting(figure: go.Figure, name: str) -> Any:
    """Return what the figure says of an axis."""
    return figure.layout[f"{name[0]}axis{name[1:]}"]


def _from_zero(figure: go.Figure, axis: Any, letter: str) -> bool:
    template = getattr(figure.layout.template.layout, f"{letter}axis").rangemode
    return (axis.rangemode or template) == "tozero" or any(trace.type == "bar" for trace in figure.data)


def _numbers(axis: Any, limits: list[Any], values: list[float], *, from_zero: bool) -> Numbers:
    known = [value for value in values if not isnan(value)] or [0.0]
    low, high = (min(known), max(known)) if not limits else (float(limits[0]), float(limits[1]))
    spare = 0 if limits else 0.06 * (high - low)
    low = min(low, 0) if from_zero and not limits else low - spare
    return Numbers(low, high + spare, axis.tickformat or "", axis.ticksuffix or "")


def room(figure: go.Figure, name: str, shown: Scale) -> float:
    """Return how wide the labels of a vertical axis are, in pixels."""
    if setting(figure, name).visible is False or setting(figure, name).showticklabels is False:
        return 0
    return 8 + max((width(label, SIZE) for _, label in shown.ticks(8)), default=0)


def grid(figure: go.Figure, names: tuple[str, str], frame: Frame) -> str:
    """Return the lines and labels of both axes."""
    across, up = (setting(figure, name) for name in names)
    drawn = ""
    for place, label in frame.x.ticks(int(frame.width / 75)) if across.visible is not False else ():
        x = frame.left + place * frame.width
        drawn += _line(x, frame.top, x, frame.top + frame.height) if across.showgrid is not False else ""
        if across.showticklabels is not False:
            drawn += write(label, (x, frame.top + frame.height + 15), SIZE, "middle")
    most = int(frame.height / 16) if isinstance(frame.y, Names) else int(frame.height / 36)
    for place, label in frame.y.ticks(most) if up.visible is not False else ():
        y = frame.top + (1 - place) * frame.height
        drawn += _line(frame.left, y, frame.left + frame.width, y) if up.showgrid is not False else ""
        if up.showticklabels is not False:
            drawn += write(label, (frame.left - 6, y + 4), SIZE, "end")
    return drawn


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" {_GRID}/>'
