"""One real lab per test module, on free ports, and homes of their own for tests that break more than that."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.stack import Stack, processes


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A lab that the tests of one module share; each leaves it whole."""
    with Stack.up(home=tmp_path_factory.mktemp("lab"), ports="auto", scrape_interval=0.5, flush_interval=0.5) as stack:
        yield stack


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """An empty home; whatever a failing test leaves running there is ended."""
    yield tmp_path
    Stack.clear(tmp_path)
    assert processes.of_lab(tmp_path) == []
