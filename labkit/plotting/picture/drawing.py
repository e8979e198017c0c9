"""A plotly figure as SVG that needs nothing else: for web pages, exports, and where nothing runs any more."""

import logging
from functools import cache
from html import escape
from itertools import cycle
from typing import Any, NamedTuple

import plotly.graph_objects as go

from labkit.plotting import theme
from labkit.plotting.picture import axes
from labkit.plotting.picture.marks import KINDS, Frame, key, mark
from labkit.plotting.picture.text import lines, width, write

# In characters: each figure makes the notebook's file larger by as much.
LIMIT = 60_000
# Points of a figure; for more, drawing takes too long.
_MOST = 200_000
# In pixels: finer detail is left out. The next value is tried if the picture is too large.
_GRAINS = (0.7, 1.5, 3, 6, 12)
_WIDTH, _HEIGHT, _EDGE, _ROW, _FOOT = 760, 340, 14, 17, 42
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


class _Box(NamedTuple):
    """The room of the plots on the picture."""

    left: float
    top: float
    width: float
    height: float


def draw(figure: go.Figure) -> str:
    """Return the figure as SVG, or "" if it has something that cannot be drawn here, or is too large."""
    try:
        if not _is_known(figure):
            return ""
        drawing = _Drawing(figure)
        pictures = (drawing.svg(grain) for grain in _GRAINS)
        return next((picture for picture in pictures if len(picture) <= LIMIT), "")
    except Exception:  # of a figure that labkit did not make: the notebook shows it all the same
        logging.getLogger(__name__).warning("A figure has no picture.", exc_info=True)
        return ""


def _is_known(figure: go.Figure) -> bool:
    kinds = {axis.type for axis in (*figure.select_xaxes(), *figure.select_yaxes())}
    points = sum(len(values) for trace in figure.data if (values := getattr(trace, "x", None)) is not None)
    return (
        all(trace.type in KINDS for trace in figure.data) and not kinds & {"log", "multicategory"} and points <= _MOST
    )


class _Drawing:
    """One figure; `svg` draws it."""

    def __init__(self, figure: go.Figure) -> None:
        self._figure, layout = figure, figure.layout
        self._wide, self._tall = layout.width or _WIDTH, layout.height or _HEIGHT
        self._plots: dict[tuple[str, str], list[Any]] = {} if figure.data else {("x", "y"): []}
        for trace in figure.data:
            self._plots.setdefault((trace.xaxis or "x", trace.yaxis or "y"), []).append(trace)
        self._frame = cache(self._framed)
        self._head = _Head(figure, self._wide)
        self._box = self._room()

    def svg(self, grain: float) -> str:
        body = self._head.svg() + "".join(self._plot(*names, grain) for names in self._plots)
        body += "".join(map(self._shape, self._figure.layout.shapes)) + self._notes()
        label = escape(self._head.title.replace("<br>", " "))
        wide, tall = self._wide, self._tall
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {tall:g}" width="{wide:g}" '
            f'style="max-width:100%;height:auto" role="img" aria-label="{label}" font-family="{_FONT}" '
            f'fill="{theme.TEXT}">{body}</svg>'
        )

    def _room(self) -> _Box:
        margin = self._figure.layout.margin
        if len(self._plots) > 1:
            left, top, right, foot = margin.l or _EDGE, margin.t or _EDGE, margin.r or _EDGE, margin.b or _EDGE
            return _Box(left, top, self._wide - left - right, self._tall - top - foot)
        ((x, y), traces), *_ = self._plots.items()
        labels = axes.room(self._figure, y, axes.scale(self._figure, y, traces))
        left, right = _EDGE + labels + (18 if self._named(y) else 0), max(_EDGE + 10, margin.r or 0)
        foot = _FOOT if self._named(x) else _FOOT - 16
        return _Box(left, self._head.height, self._wide - left - right, self._tall - self._head.height - foot)

    def _named(self, axis: str) -> bool:
        return bool(axes.setting(self._figure, axis).title.text)

    def _framed(self, x: str, y: str) -> Frame:
        traces = self._plots.get((x, y), [])
        (low, high), (bottom, top) = (axes.setting(self._figure, name).domain or (0, 1) for name in (x, y))
        box, scales = self._box, (axes.scale(self._figure, name, traces) for name in (x, y))
        left, upper = box.left + low * box.width, box.top + (1 - top) * box.height
        return Frame(left, upper, (high - low) * box.width, (top - bottom) * box.height, *scales)

    def _plot(self, x: str, y: str, grain: float) -> str:
        frame, colors = self._frame(x, y), theme.PALETTE
        drawn = axes.grid(self._figure, (x, y), frame)
        for place, trace in enumerate(self._plots[x, y]):
            drawn += mark(trace, frame, colors[place % len(colors)], grain)
        return drawn + (self._titles(x, y, frame) if len(self._plots) == 1 else "")

    def _titles(self, x: str, y: str, frame: Frame) -> str:
        below, beside = (frame.left + frame.width / 2, self._tall - 6), (14, frame.top + frame.height / 2)
        across, up = (axes.setting(self._figure, name).title.text or "" for name in (x, y))
        turned = f'transform="rotate(-90 {beside[0]} {beside[1]:.1f})"'
        return write(across, below, 12, "middle") + write(up, beside, 12, "middle", turned)

    def _place(self, one: Any) -> tuple[float, float]:
        """Where on the picture an annotation is."""
        x, y = ((ref or name).removesuffix(" domain") for ref, name in ((one.xref, "x"), (one.yref, "y")))
        frame = self._frame("x" if x == "paper" else x, "y" if y == "paper" else y)
        left, wide = (self._box.left, self._box.width) if x == "paper" else (frame.left, frame.width)
        top, tall = (self._box.top, self._box.height) if y == "paper" else (frame.top, frame.height)
        across = left + (one.x or 0) * wide if _is_share(one.xref) else frame.across([one.x])[0]
        down = top + (1 - (one.y or 0)) * tall if _is_share(one.yref) else frame.down([one.y])[0]
        return across + (one.xshift or 0), down - (one.yshift or 0)

    def _notes(self) -> str:
        drawn = ""
        for note in self._figure.layout.annotations:
            (x, y), size = self._place(note), note.font.size or 12
            rows = len(lines(note.text or ""))
            lift = {"top": 1.0 * size, "bottom": -0.3 * size - 1.3 * size * (rows - 1)}
            middle = 0.35 * size - 0.65 * size * (rows - 1)
            anchor = {"left": "start", "right": "end"}.get(note.xanchor or "", "middle")
            look = f'fill="{note.font.color}"' if note.font.color else ""
            drawn += write(note.text or "", (x, y + lift.get(note.yanchor or "", middle)), size, anchor, look)
        return drawn

    def _shape(self, shape: Any) -> str:
        """A line across a plot; nothing else is drawn in labkit's figures."""
        x, y = (str(ref or name).removesuffix(" domain") for ref, name in ((shape.xref, "x"), (shape.yref, "y")))
        if shape.type != "line" or shape.y0 != shape.y1 or "paper" in (x, y):
            return ""
        frame = self._frame(x, y)
        (down,) = frame.down([shape.y0])
        if not frame.top - 1 <= down <= frame.top + frame.height + 1:
            return ""
        path = f"M{frame.left:.1f} {down:.1f}h{frame.width:.1f}"
        return f'<path d="{path}" stroke="{shape.line.color or theme.GREY}" stroke-dasharray="7 4"/>'


class _Head:
    """What stands above the plot: title, subtitle and legend."""

    def __init__(self, figure: go.Figure, wide: float) -> None:
        layout = figure.layout
        self.title, self._below = layout.title.text or "", layout.title.subtitle.text or ""
        shown = layout.showlegend if layout.showlegend is not None else len(figure.data) > 1
        self._rows = _rows(_entries(figure), wide) if shown else []

    @property
    def _titles(self) -> float:
        return 21 * len(lines(self.title)) + _ROW * len(lines(self._below))

    @property
    def height(self) -> float:
        return _EDGE + self._titles + _ROW * len(self._rows) + 8

    def svg(self) -> str:
        y = _EDGE + 8
        drawn = write(self.title, (_EDGE, y), 16, more='font-weight="600"')
        drawn += write(self._below, (_EDGE, y + 21 * len(lines(self.title))))
        for number, row in enumerate(self._rows):
            down = _EDGE + self._titles + _ROW * number + 4
            for x, name, sign in row:
                drawn += f'<g transform="translate({x:.1f} {down - 4:.1f})">{sign}</g>'
                drawn += write(name, (x + (26 if sign else 0), down))
        return drawn


def _entries(figure: go.Figure) -> list[tuple[str, str]]:
    """The names in the legend, each with its sign; at the end, without one, the title of the legend."""
    traces = [trace for trace in figure.data if trace.showlegend is not False and trace.type != "heatmap"]
    signs = (key(trace, color) for trace, color in zip(traces, cycle(theme.PALETTE), strict=False))
    title = figure.layout.legend.title.text
    return [*zip([trace.name or "" for trace in traces], signs, strict=True), *([(title, "")] if title else [])]


def _rows(entries: list[tuple[str, str]], wide: float) -> list[list[tuple[float, str, str]]]:
    """The entries in as many rows as they need, each with its place."""
    rows: list[list[tuple[float, str, str]]] = []
    x = wide
    for name, sign in entries:
        needed = width(name, 12) + (44 if sign else 16)
        if x + needed > wide - _EDGE:
            rows.append([])
            x = _EDGE
        rows[-1].append((x, name, sign))
        x += needed
    return rows


def _is_share(ref: str | None) -> bool:
    return ref == "paper" or bool(ref and ref.endswith(" domain"))
