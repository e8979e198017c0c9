"""plotly's way to show a figure, with labkit's picture beside it."""

import json
import warnings
from base64 import b64decode
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
from plotly.io.base_renderers import MimetypeRenderer
from plotly.utils import PlotlyJSONEncoder

from labkit.plotting.picture.drawing import draw

NAME = "labkit"
SVG, PLOTLY = "image/svg+xml", "application/vnd.plotly.v1+json"


class Renderer(MimetypeRenderer):  # type: ignore[misc]  # plotly has no types
    """Adds the picture to what a notebook keeps of each figure: exports and web pages show it."""

    def to_mimebundle(self, fig_dict: dict[str, Any]) -> dict[str, str]:
        picture = draw(go.Figure(_unpacked(fig_dict), skip_invalid=True))
        return {SVG: picture} if picture else {}


def _unpacked(value: Any) -> Any:
    """A figure whose arrays are arrays: plotly packs them for its page."""
    if isinstance(value, dict):
        if "bdata" in value:
            array = np.frombuffer(b64decode(value["bdata"]), value["dtype"])
            return array.reshape([int(side) for side in str(value.get("shape", array.size)).split(",")])
        return {name: _unpacked(each) for name, each in value.items()}
    return [_unpacked(each) for each in value] if isinstance(value, list) else value


def add() -> None:
    """Let plotly add the picture to figures in notebooks, where it keeps them as data."""
    try:
        pio.renderers[NAME] = Renderer()
    except ValueError:  # PLOTLY_RENDERER names none: plotly says so when it shows a figure
        return
    chosen = (pio.renderers.default or "").split("+")
    if "plotly_mimetype" in chosen and NAME not in chosen:
        pio.renderers.default = "+".join([*chosen, NAME])


def bundle(figure: go.Figure) -> dict[str, Any]:
    """Return the figure as plotly's data and as a picture, with what plotly's own renderers add, such as HTML.

    They fail where `PLOTLY_RENDERER` names a program that is missing, or nothing that there is; the figure remains.
    """
    try:
        more = dict(figure._repr_mimebundle_())
    except Exception as error:  # whatever the program that was named makes of it
        warnings.warn(f"PLOTLY_RENDERER adds nothing to the figure: {error}", stacklevel=2)
        more = {}
    picture = draw(figure)
    data = json.loads(json.dumps(figure.to_dict(), cls=PlotlyJSONEncoder))
    return more | {PLOTLY: data} | ({SVG: picture} if picture else {})
