"""Plot: many figures as one, each in the place that the dashboard gives it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from labkit.plotting.charts import TICKS
from labkit.plotting.panels import Panel

_COLUMNS = 24
# These kinds of panels have names on the left instead of numbers.
_NAMED = ("bargauge", "heatmap", "state-timeline")
# All in pixels. The figure is this wide even on a narrower page: there it scrolls, and no text overlaps another.
# A cell of JupyterLab has this much room on a laptop, beside the file browser.
_WIDTH, _ROW = 920, 34
_GAP, _TITLE, _LINE, _TICKS, _LABELS, _CHARACTER = 16, 24, 16, 26, 44, 5.7
_TICK_CHARACTER = 6.9
# Horizontal, and as many as fit.
_TIMES, _TIME = {"tickangle": 0, "tickformatstops": TICKS}, 68
# The dashes of a line, as text.
_DASHES = {"solid": "━━", "dash": "╍╍", "dot": "┅┅", "dashdot": "━·", "longdash": "━ ━"}


def arrange(panels: Sequence[Panel], figures: Mapping[str, go.Figure]) -> go.Figure:
    """Combine the panels' figures, given by title, into one, with titles, legends and the headings of rows."""
    bottom = max(panel.grid.y + panel.grid.height for panel in panels)
    page = go.Figure(layout={"template": "labkit", "width": _WIDTH, "height": bottom * _ROW, "showlegend": False})
    page.update_layout(margin={"l": 8, "r": 8, "t": 8, "b": 8})
    for heading, y in {panel.row: panel.grid.y - 1 for panel in reversed(panels)}.items():
        _write(page, (0, 1 - (y + 0.3) / bottom), f"<b>{heading}</b>", 15)
    for number, panel in enumerate(panels, start=1):
        _put(page, number, _Cell(panel, figures[panel.title], bottom))
    return page


@dataclass(frozen=True)
class _Cell:
    """The space for one panel on a page of `bottom` rows, from 0 (left, bottom) to 1 (right, top)."""

    panel: Panel
    figure: go.Figure
    bottom: int

    @property
    def left(self) -> float:
        return self.panel.grid.x / _COLUMNS

    @property
    def top(self) -> float:
        return 1 - self.panel.grid.y / self.bottom

    def down(self, pixels: float) -> float:
        """The height on the page that is `pixels` below the top of this cell."""
        return self.top - pixels / (self.bottom * _ROW)

    def across(self) -> list[float]:
        """The horizontal extent of the plot itself, right of its labels."""
        right = self.left + self.panel.grid.width / _COLUMNS
        return [self.left + self._labels() / _WIDTH, right - self._room_right() / _WIDTH]

    def upwards(self) -> list[float]:
        """The vertical extent of the plot itself, above its times and below title and legend."""
        low = self.panel.grid.height * _ROW - (_GAP if self.panel.kind == "stat" else _TICKS + _GAP)
        return [self.down(low), self.down(_TITLE + _LINE * len(self.legend()) + 6)]

    def legend(self) -> list[str]:
        """The entries of the legend, in as many lines as they need."""
        lines, room = [""], self.panel.grid.width / _COLUMNS * _WIDTH / _CHARACTER
        length = 0.0
        for trace in self.figure.data if self.figure.layout.showlegend else ():
            length += len(trace.name) + 6
            if length > room:
                length = len(trace.name) + 6
                lines.append("")
            mark = f'<span style="color:{trace.line.color}">{_DASHES[trace.line.dash]}</span>'
            lines[-1] += f"{mark} {trace.name}   "
        return lines if lines[0] else []

    def _labels(self) -> float:
        if self.panel.kind == "stat":
            return 0
        if self.panel.kind not in _NAMED:
            return _LABELS
        longest = max((len(name) for trace in self.figure.data for name in trace.y), default=0)
        return max(_LABELS, longest * _TICK_CHARACTER + len(self.panel.unit) * _TICK_CHARACTER)

    def _room_right(self) -> float:
        return 4 * _GAP if self.panel.kind == "bargauge" else _GAP


def _put(page: go.Figure, number: int, cell: _Cell) -> None:
    x, y = (f"{axis}{number if number > 1 else ''}" for axis in "xy")
    _write(page, (cell.left, cell.top), f"<b>{cell.panel.title}</b>", 13, cell.panel.description)
    _write(page, (cell.left, cell.down(_TITLE)), "<br>".join(cell.legend()), 11)
    for axis, other, room in ((x, y, cell.across()), (y, x, cell.upwards())):
        name = f"{axis[0]}axis{axis[1:]}"
        page.update_layout({name: cell.figure.layout[f"{axis[0]}axis"]})
        page.update_layout({name: {"domain": room, "anchor": other, "title_text": "", "automargin": False}})
    left, right = cell.across()
    # A bar has its number beside it.
    ticks = {"showticklabels": False} if cell.panel.kind == "bargauge" else _TIMES
    page.update_layout({f"xaxis{x[1:]}": {**ticks, "nticks": int((right - left) * _WIDTH / _TIME)}})
    for trace in cell.figure.data:
        scale = {"showscale": False} if trace.type == "heatmap" else {}
        page.add_trace(trace.update(xaxis=x, yaxis=y, **scale))
    for shape in cell.figure.layout.shapes:
        page.add_shape(shape.update(xref=f"{x} domain", yref=y))
    for note in cell.figure.layout.annotations:
        page.add_annotation(note.update(xref=f"{x} domain", yref=f"{y} domain"))


def _write(page: go.Figure, place: tuple[float, float], text: str, size: int, hover: str = "") -> None:
    page.add_annotation(
        x=place[0], y=place[1], text=text, font_size=size, hovertext=hover or None, xref="paper", yref="paper",
        xanchor="left", yanchor="top", align="left", showarrow=False,
    )  # fmt: skip
