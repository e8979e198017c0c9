"""The control panel: turn the lab's knobs in a notebook, and see where the data is.

```
pipeline_probe    what each stage knows of one counter: its state, its value, how old that is
drawing           the pipeline as a picture
latest_job_queue  what people ask for, in threads of its own; a newer wish replaces the one that waits
panel             the widget; panel.js and panel.css are its other half, in the browser
```
"""

from labkit.notebook.panel.panel import ControlPanel, controls

__all__ = ["ControlPanel", "controls"]
