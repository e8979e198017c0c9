"""The control panel: turn the lab's knobs in a notebook, and see where the data is.

```
path     what each stage knows of one counter: its state, its value, how old that is
drawing  the path as a picture
errands  what people ask for, done one after the other beside the kernel's own work
panel    the widget; panel.js and panel.css are its other half, in the browser
```
"""

from labkit.notebook.panel.panel import ControlPanel, controls

__all__ = ["ControlPanel", "controls"]
