"""A figure on a page: its title is text of the page, which wraps, and its legend lies below, where it takes no width.

Its page needs `labkit/notebook/report/page.js`, which fits figures to the paper when the page is printed.
"""

import re
from typing import Any

import plotly.io as pio

from labkit.plotting.charts import TICKS

_TAG = re.compile(r"<[^>]*>")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CONFIG = {"responsive": True, "displaylogo": False, "displayModeBar": False}
# Pixels below the plot: for the times, and for the names of its lines.
_BELOW = {
    "orientation": "h", "x": 0, "xanchor": "left", "xref": "container",
    "y": 0, "yanchor": "bottom", "yref": "container",
}  # fmt: skip
_TITLE = 40
# Names on the left leave room for little else: dots need this many pixels beside them, and bars can do with less.
_CHARACTER, _DOTS, _BARS = 7, 320, 190
_TIMES = {"tickangle": 0, "tickformatstops": TICKS}


def figure(given: dict[str, Any]) -> str:
    """Return the HTML of a plotly figure, given as in a notebook's file."""
    layout = dict(given["layout"])
    caption = _caption(layout)
    if "width" not in layout:
        layout |= _with_room(layout) | _with_times(given)
    parts = {"data": given["data"], "layout": layout}
    plot = pio.to_html(parts, include_plotlyjs=False, full_html=False, config=_CONFIG, validate=False)
    return f"<figure>{caption}{_container(parts)}{plot}</div></div></figure>"


def _container(figure: dict[str, Any]) -> str:
    """Where it is too narrow, dots have their names above them; bars, and figures of a fixed width, scroll."""
    names = {name for trace in figure["data"] for name in _names(trace)}
    longest = _CHARACTER * max((len(_TAG.sub("", name)) for name in names), default=0)
    if width := figure["layout"].get("width"):
        return f'<div class="scrolls wide"><div style="min-width: {width}px">'
    if names and {trace["type"] for trace in figure["data"]} == {"scatter"}:
        return f'<div class="scrolls" data-needs="{longest + _DOTS}" data-rows="{len(names)}"><div>'
    return f'<div class="scrolls"><div style="min-width: {longest and longest + _BARS}px">'


def _caption(layout: dict[str, Any]) -> str:
    title = layout.pop("title", None) or {}
    # Plotly's own markup: b, i, br, sub, sup.
    return f"<figcaption>{title['text']}</figcaption>" if title.get("text") else ""


def _with_room(layout: dict[str, Any]) -> dict[str, Any]:
    margin = {**layout.get("margin", {}), "t": 12}
    height = layout.get("height", 340) - _TITLE
    return {"margin": margin, "legend": {**layout.get("legend", {}), **_BELOW}, "height": height}


def _with_times(given: dict[str, Any]) -> dict[str, Any]:
    """Short times: the page says the day, and an axis that shows several has them in its labels."""
    firsts = [str(trace["x"][0]) for trace in given["data"] if isinstance(trace.get("x"), list) and trace["x"]]
    timed = any(map(_DAY.match, firsts))
    return {"xaxis": {**given["layout"].get("xaxis", {}), **_TIMES}} if timed else {}


def _names(trace: Any) -> list[str]:
    values = trace.get("y")
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
