"""One engine with its images, for the tests that start containers."""

from collections.abc import Iterator

import pytest

from labkit.errors import BinaryNotFound
from tests.docker.composed_lab import ComposedLab
from tests.docker.engine import engine, why_not
from tests.docker.images import make_images


@pytest.fixture(scope="module")
def lab() -> Iterator[ComposedLab]:
    """The lab of the compose file, on an engine that holds its images; each test starts what it needs."""
    if reason := why_not():
        pytest.skip(reason)
    try:
        with engine() as running:
            make_images(running)
            yield ComposedLab(running)
    except BinaryNotFound as error:
        pytest.skip(f"a program for the engine or its images is missing: {error}")
