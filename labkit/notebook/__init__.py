"""What a person has in JupyterLab: magics, live figures, the control panel, reports, exercises, tiles."""
