"""Plot: how every figure looks: one plotly template named `labkit`, and the colors, dashes and units to go with it.

The backgrounds are transparent and the grays of medium lightness, so that a figure is readable on a light page and on
a dark one.
"""

from dataclasses import dataclass

import plotly.graph_objects as go
import plotly.io as pio

# Okabe and Ito's colors, which color-blind people can tell apart, without yellow and black: some pages hide them.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#666666",
)  # fmt: skip
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, GREY)
# Color is never the only difference; both rows together repeat after 35 lines.
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")

# What users do in the store has one color and one dash in every figure; the dashboard has the same colors.
EVENTS = {"joined": BLUE, "looked_around": SKY, "served": GREEN, "left": VERMILION}

# The more, the stronger the color, on a light page and on a dark one.
HEAT = ((0, "rgba(86, 180, 233, 0.14)"), (0.4, "rgba(43, 147, 206, 0.7)"), (1, "rgba(0, 114, 178, 1)"))

TEXT = "#6E7379"
_GRID = "rgba(128, 134, 142, 0.22)"
_AXIS = {
    "gridcolor": _GRID, "linecolor": _GRID, "zerolinecolor": _GRID, "showline": False, "zeroline": False,
    "ticks": "", "automargin": True, "title": {"standoff": 8, "font": {"size": 12}}, "separatethousands": True,
}  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """How the values of one unit are written: what an axis needs, and a d3 format with the number's suffix."""

    axis: dict[str, str]
    format: str
    suffix: str

    def hover(self, variable: str) -> str:
        """Return the text for a plotly variable such as `y`."""
        return f"%{{{variable}:{self.format}}}{self.suffix}"


def unit(name: str) -> Unit:
    """Return how a unit is written: "s", "ms" and "%" at every tick of an axis, others as the title of the axis.

    "s" takes the prefix it needs, so that 0.0023 is 2.3ms; "%" is for a share between 0 and 1.
    """
    if name == "s":
        return Unit({"title_text": "", "tickformat": "~s", "ticksuffix": "s"}, ".3~s", "s")
    if name == "%":
        return Unit({"title_text": "", "tickformat": "~%"}, ".2~%", "")
    if name == "ms":
        return Unit({"title_text": "", "ticksuffix": " ms"}, ",.3~f", " ms")
    return Unit({"title_text": name}, ",.3~f", f" {name}" if name else "")


def stroke(name: str, position: int) -> tuple[str, str]:
    """Return color and dash of the line at a position in a figure; those of an event are its own, wherever it is."""
    if event := next((event for event in EVENTS if event in name.split(" · ")), ""):
        return EVENTS[event], DASHES[list(EVENTS).index(event)]
    return PALETTE[position % len(PALETTE)], DASHES[position % len(DASHES)]


pio.templates["labkit"] = go.layout.Template(
    layout={
        "colorway": PALETTE,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12, "color": TEXT},
        "title": {"x": 0.01, "xanchor": "left", "y": 0.96, "yanchor": "top", "font": {"size": 16, "weight": 600}},
        "xaxis": _AXIS,
        "yaxis": {**_AXIS, "rangemode": "tozero"},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        "margin": {"l": 60, "r": 24, "t": 78, "b": 48},
        "height": 340,
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "#FFFFFF", "bordercolor": "#C8CCD1", "font": {"color": "#33383D"}},
        # A lab does not offer to upload its figures.
        "modebar": {"remove": ["sendChartToCloud"], "bgcolor": "rgba(0,0,0,0)", "color": TEXT, "activecolor": BLUE},
    }
)
