"""Real processes for the tests, the benchmarks and the scripts: servers, a browser's JupyterLab, a small Debian."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
