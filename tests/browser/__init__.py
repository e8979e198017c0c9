"""What people see: a real JupyterLab in a real Chromium."""
