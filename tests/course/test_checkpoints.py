"""Checkpoints that fail: what was seen and where to look stand in the message."""

import math
from types import SimpleNamespace

import pandas as pd
import pytest

from tests.course.pages import NOTEBOOKS, cells

PATHS = {path.stem[:2]: path for path in NOTEBOOKS}

WITHOUT_TIMES = pd.DataFrame({"time": [1], "metric": ["m"], "value": [1.0]})

# What was seen, and what the message says of it.
FAILURES: dict[str, tuple[dict[str, object], str]] = {
    "00 nothing was lost": ({"comparison": pd.DataFrame({"metric": ["user_events"], "equal": [False]})}, "user_events"),
    "02 it lives": ({"left": -0.002, "ttl": 1800.0}, "-0.002 s left"),
    "02 one increment": ({"changed": ["metrics:gauge:lab_queue"]}, "lab_queue"),
    "03 the page": ({"page": "lab_took_ms_count 4"}, "[] on the page"),
    "03 a real series": ({"frame": pd.DataFrame({"event": ["left"], "value": [math.nan]})}, "left"),
    "04 the documented": ({"now": SimpleNamespace(frame=WITHOUT_TIMES)}, "time"),
}


@pytest.mark.parametrize("checkpoint", FAILURES)
def test_a_checkpoint_that_fails_says_what_and_where(checkpoint: str) -> None:
    """The reader sees the wrong value, and a command or a place to look at next."""
    number, _, claim = checkpoint.partition(" ")
    seen, word = FAILURES[checkpoint]
    source = next(cell.source for cell in cells(PATHS[number]) if cell.source.startswith(f"# Checkpoint: {claim}"))
    with pytest.raises(AssertionError) as failure:
        exec(source, dict(seen))  # noqa: S102  the cell is ours, and runs as it stands
    assert word in str(failure.value)
    assert "Look at" in str(failure.value)
