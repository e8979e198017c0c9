"""Copies of what comes with labkit, to work in: the course, with all that its pages lead to, and the example."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from labkit.errors import LabkitError
from labkit.resources import resource

# In the layout of a checkout, so that every link leads somewhere.
COURSE = ("README.md", "CHANGELOG.md", "docs", "notebooks", "lua", "configs", "examples")
FIRST = "notebooks/00-start-here.ipynb"


def write_course(folder: Path) -> list[Path]:
    """Copy the course into `folder`, and return the files there that differ from it: they stay as they are.

    A folder that holds the course already, such as a checkout, stays as it is.

    Raises:
        LabkitError: the disk says no.
    """
    return [path for name in COURSE for path in _copy(resource(name), folder / name)]


def write_example(folder: Path) -> list[Path]:
    """Copy the example of tests for an application and a notebook into `folder`; else as `write_course`."""
    return _copy(resource("examples", "testing-your-own"), folder)


def _copy(source: Path, target: Path) -> list[Path]:
    try:
        return [path for original, path in _pairs(source, target) if not _is_copy(original, path)]
    except OSError as error:
        raise LabkitError(f"{target} cannot be written: {error}. Name another folder.") from None


def _pairs(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """Each file of `source` with its place in `target`; without hidden files, and what running them left there."""
    for path in [source] if source.is_file() else sorted(source.rglob("*")):
        inner = path.relative_to(source)
        if path.is_file() and not any(part.startswith((".", "__")) or part == "out" for part in inner.parts):
            yield path, target / inner


def _is_copy(original: Path, path: Path) -> bool:
    """Whether the file is a copy; one that is not there becomes one, whole or not at all."""
    if path.exists():
        return path.read_bytes() == original.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    shutil.copyfile(original, temporary)  # without its mode: what is installed may be read-only
    temporary.replace(path)
    return True
