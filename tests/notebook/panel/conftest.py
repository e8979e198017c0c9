"""A lab that the tests of one module share; each leaves it whole."""

from collections.abc import Iterator

import pytest

from labkit.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A lab of half-second intervals."""
    with Stack.up(home=tmp_path_factory.mktemp("lab"), ports="auto", scrape_interval=0.5, flush_interval=0.5) as stack:
        yield stack
