"""Plot: a plotly figure as a small picture, which web pages, exports and reopened notebooks show.

```
scales    from values to places: numbers, times, names
text      plotly's texts, with their few tags, as SVG
marks     lines, dots, bars and heat maps
drawing   the whole figure, in at most 60 KB
renderer  plotly's way to add it to each figure of a notebook
```
"""

from labkit.plotting.picture.drawing import draw
from labkit.plotting.picture.renderer import add, bundle

__all__ = ["add", "bundle", "draw"]
