"""Kernels that the lab's own JupyterLab starts have the magics from the start.

`make lab` puts this file into the virtual environment's etc/ipython and sets LABKIT_KERNELS; without that variable,
kernels of the same environment stay as they are.
"""

import os
from importlib.util import find_spec

# What the magics need; where it is missing, a notebook that loads them says so itself.
if os.environ.get("LABKIT_KERNELS") and all(map(find_spec, ("labkit", "pandas", "plotly", "redis"))):
    # Not as an extension: `%load_ext labkit`, which notebooks need elsewhere, would say that it is loaded already.
    _load = "__import__('labkit').load_ipython_extension(get_ipython())"
    get_config().InteractiveShellApp.exec_lines.append(_load)  # noqa: F821  IPython lends the name to this file
