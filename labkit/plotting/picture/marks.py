"""The marks of a figure: lines, dots, bars and heat maps, in the frame of their axes."""

import re
import struct
import zlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import isnan
from typing import Any, NamedTuple

import numpy as np

from labkit.plotting import theme
from labkit.plotting.picture.scales import Names, Scale
from labkit.plotting.picture.text import write

_DASHES = {"dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3", "longdash": "12 4", "longdashdot": "12 3 2 3"}
_NUMBERS = re.compile(r"[\d.]+")
KINDS = ("scatter", "scattergl", "bar", "heatmap")

Point = tuple[float, float]


class Frame(NamedTuple):
    """The room of a plot in pixels, and its axes."""

    left: float
    top: float
    width: float
    height: float
    x: Scale
    y: Scale

    def across(self, values: Any) -> list[float]:
        return [self.left + place * self.width for place in self.x.at(values)]

    def down(self, values: Any) -> list[float]:
        return [self.top + (1 - place) * self.height for place in self.y.at(values)]


def mark(trace: Any, frame: Frame, color: str, grain: float) -> str:
    """Return a trace as SVG. What is finer than `grain` pixels is left out."""
    if trace.type == "heatmap":
        return _heat(trace, frame)
    if trace.type == "bar":
        return _bars(trace, frame, color)
    points = list(zip(frame.across(trace.x), frame.down(trace.y), strict=False))
    mode = trace.mode or "lines"
    lines = _line(trace, frame, points, color, grain) if "lines" in mode else ""
    return lines + (_dots(trace, points, color, grain) if "markers" in mode else "")


def key(trace: Any, color: str) -> str:
    """Return what stands for a trace in a legend: 20 pixels wide, its middle on the line."""
    if trace.type == "bar":
        return f'<path d="M2 0h16" stroke="{_shade(trace.marker.color, color)}" stroke-width="10"/>'
    if trace.mode == "markers":
        return _dots(trace, [(10, 0)], color, 1)
    return f'<path d="M0 0h20" {_look(trace, color)}/>'


def _look(trace: Any, color: str) -> str:
    dash = f' stroke-dasharray="{_DASHES[trace.line.dash]}"' if trace.line.dash in _DASHES else ""
    return f'stroke="{_shade(trace.line.color, color)}" stroke-width="{trace.line.width or 2}"{dash}'


def _shade(given: Any, color: str) -> str:
    """The color that a trace was given as a whole, else its place's in the palette."""
    return given if isinstance(given, str) else color


def _line(trace: Any, frame: Frame, points: Sequence[Point], color: str, grain: float) -> str:
    runs = [_thin(_steps(run) if trace.line.shape == "hv" else run, grain) for run in _runs(points)]
    floor = frame.top + frame.height
    area = "".join(f"{_path(run)}V{floor:.0f}H{run[0][0]:.1f}Z" for run in runs) if trace.fill == "tozeroy" else ""
    filled = f'<path d="{area}" fill="{_shade(trace.line.color, color)}" fill-opacity=".3"/>' if area else ""
    return f'{filled}<path d="{"".join(map(_path, runs))}" fill="none" {_look(trace, color)}/>'


def _runs(points: Iterable[Point]) -> list[list[Point]]:
    """The points between gaps; a lone one is a dot that can be seen."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if isnan(point[0]) or isnan(point[1]):
            runs.append([])
        else:
            runs[-1].append(point)
    return [run if len(run) > 1 else [*run, (run[0][0] + 1, run[0][1])] for run in runs if run]


def _steps(run: Sequence[Point]) -> list[Point]:
    return [corner for (_, before), (x, y) in pairwise([run[0], *run]) for corner in ((x, before), (x, y))]


def _thin(run: Sequence[Point], grain: float) -> list[Point]:
    """The first, the lowest, the highest and the last point of each column: what can be seen."""
    columns: dict[int, list[Point]] = {}
    for point in run:
        columns.setdefault(int(point[0] // grain), []).append(point)
    kept = []
    for column in columns.values():
        places = {0, len(column) - 1, *(pick(range(len(column)), key=lambda at: column[at][1]) for pick in (min, max))}
        kept += [column[place] for place in sorted(places)]
    return kept


def _path(run: Sequence[Point]) -> str:
    # Tenths of a pixel, each from the one before: half as long as in full.
    whole = [(round(x * 10), round(y * 10)) for x, y in run]
    moves = "".join(f"{(x - a) / 10:g} {(y - b) / 10:g} " for (a, b), (x, y) in pairwise(whole))
    return f"M{whole[0][0] / 10:g} {whole[0][1] / 10:g}l{moves.strip()}"


def _dots(trace: Any, points: Sequence[Point], color: str, grain: float) -> str:
    colors = trace.marker.color if isinstance(trace.marker.color, tuple | list | np.ndarray) else None
    radius = (trace.marker.size if isinstance(trace.marker.size, int | float) else 6) / 2
    dots = {}
    for place, (x, y) in enumerate(points):
        if not isnan(x + y):
            shown = str(colors[place]) if colors is not None else _shade(trace.marker.color, color)
            dots[x // grain, y // grain, shown] = (x, y)
    hollow = str(trace.marker.symbol).endswith("-open")
    return "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" '
        + (f'fill="none" stroke="{shown}" stroke-width="2"/>' if hollow else f'fill="{shown}"/>')
        for (_, _, shown), (x, y) in dots.items()
    )


def _bars(trace: Any, frame: Frame, color: str) -> str:
    lying = trace.orientation == "h"
    ends = frame.across(trace.x) if lying else frame.down(trace.y)
    middles = frame.down(trace.y) if lying else frame.across(trace.x)
    zero = frame.across([0])[0] if lying else frame.down([0])[0]
    thick = 0.7 * (frame.height if lying else frame.width) / max(len(middles), 1)
    shown = _shade(trace.marker.color, color)
    bars, values = "", trace.x if lying else trace.y
    for end, middle, value in zip(ends, middles, values, strict=True):
        if not isnan(end + middle):
            low, long, side = min(end, zero), abs(end - zero), middle - thick / 2
            x, y, wide, high = (low, side, long, thick) if lying else (side, low, thick, long)
            bars += f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="{shown}"/>'
            if lying and trace.texttemplate:
                bars += write(_formatted(value, trace.texttemplate), (end + 5, middle + 4))
    return bars


def _formatted(value: float, template: str) -> str:
    """A value as plotly's template, such as `%{x:,.3~f} ms`, would have it."""
    before, _, suffix = template.rpartition("}")
    number = f"{value:,.2%}" if "%}" in f"{before}}}" else f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{number}{suffix}"


def _heat(trace: Any, frame: Frame) -> str:
    """Each row of cells as a tiny image, a pixel for each cell: as rectangles, they would be many."""
    cells = np.array(trace.z, dtype="float64")
    columns = frame.across(trace.x)
    if not cells.size or not isinstance(frame.y, Names):
        return ""
    low = trace.zmin if trace.zmin is not None else np.nanmin(cells)
    high = trace.zmax if trace.zmax is not None else np.nanmax(cells)
    painted = _paint((cells - low) / ((high - low) or 1), trace.colorscale or theme.HEAT)
    each = (columns[-1] - columns[0]) / max(len(columns) - 1, 1) or frame.width
    tall = frame.height / len(frame.y.names)
    gap = min(trace.ygap or 0, tall / 2)
    place = f'x="{columns[0] - each / 2:.1f}" width="{each * len(columns):.1f}" height="{tall - gap:.1f}"'
    how = 'preserveAspectRatio="none" style="image-rendering:pixelated"'
    return "".join(
        f'<image {place} y="{middle - tall / 2 + gap / 2:.1f}" {how} href="data:image/png;base64,{_png(row)}"/>'
        for middle, row in zip(frame.down(trace.y), painted, strict=True)
    )


def _paint(shares: Any, scale: Any) -> Any:
    """The color of each cell, red, green, blue and opacity; transparent where there is no value."""
    places, colors = zip(*scale, strict=True)
    parts = np.array([_rgba(color) for color in colors])
    known = np.nan_to_num(shares)
    painted = np.stack([np.interp(known, places, parts[:, part]) for part in range(4)], axis=-1)
    painted[np.isnan(shares)] = 0
    return painted.round().astype("uint8")


def _rgba(color: str) -> tuple[float, float, float, float]:
    if color.startswith("#"):
        return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16), 255
    red, green, blue, *rest = map(float, _NUMBERS.findall(color))
    return red, green, blue, 255 * rest[0] if rest else 255


def _png(row: Any) -> str:
    size = struct.pack(">IIBBBBB", len(row), 1, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", size), (b"IDAT", zlib.compress(b"\0" + row.tobytes(), 9)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()
