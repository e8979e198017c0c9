"""A figure on a page: its title is text of the page, which wraps, and its legend lies below, where it takes no width.

Its page needs `labkit/report/page.js`, which fits figures to the paper when the page is printed.
"""

from typing import Any

import plotly.io as pio

_CONFIG = {"responsive": True, "displaylogo": False, "displayModeBar": False}
# Pixels below the plot: for the times, and for the names of its lines.
_BELOW = {
    "orientation": "h", "x": 0, "xanchor": "left", "xref": "container",
    "y": 0, "yanchor": "bottom", "yref": "container",
}  # fmt: skip
_TITLE = 40
# Narrower, no name on the left and no number on the right would leave room for the plot.
_ROOM, _CHARACTER = 260, 7


def figure(given: dict[str, Any]) -> str:
    """Return the HTML of a plotly figure, given as in a notebook's file."""
    layout = dict(given["layout"])
    caption = _caption(layout)
    if "width" not in layout:
        layout |= _roomy(layout)
    parts = {"data": given["data"], "layout": layout}
    plot = pio.to_html(parts, include_plotlyjs=False, full_html=False, config=_CONFIG, validate=False)
    least = layout.get("width") or _least(given)
    return f'<figure>{caption}<div class="scrolls"><div style="min-width: {least}px">{plot}</div></div></figure>'


def _caption(layout: dict[str, Any]) -> str:
    title = layout.pop("title", None) or {}
    # Plotly's own markup: b, i, br, sub, sup.
    return f"<figcaption>{title['text']}</figcaption>" if title.get("text") else ""


def _roomy(layout: dict[str, Any]) -> dict[str, Any]:
    margin = {**layout.get("margin", {}), "t": 12}
    height = layout.get("height", 340) - _TITLE
    return {"margin": margin, "legend": {**layout.get("legend", {}), **_BELOW}, "height": height}


def _least(given: dict[str, Any]) -> int:
    """The width in pixels below which the names on the left would leave no room; 0 for a plot without names."""
    names = [str(name) for trace in given["data"] for name in _names(trace.get("y"))]
    return _ROOM + _CHARACTER * max(map(len, names)) if names else 0


def _names(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
