"""JupyterLab's launcher: a tile for each service of the lab, and the relay behind it."""
