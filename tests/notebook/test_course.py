"""The course and the example are copied into a folder of the reader's, whose changes are never lost."""

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from labkit.errors import LabkitError
from labkit.notebook.course import FIRST, write_course, write_example
from tests import ROOT
from tests.course.pages import links, text


def test_the_copy_is_complete(tmp_path: Path) -> None:
    """Every page is there, and every relative link of every page and notebook leads to a file of the copy."""
    assert write_course(tmp_path / "course") == []
    pages = [path for path in (tmp_path / "course").rglob("*") if path.suffix in (".md", ".ipynb")]
    assert (tmp_path / "course" / FIRST) in pages
    inside = [
        (page, link.partition("#")[0]) for page in pages for link in links(text(page)) if not urlsplit(link).scheme
    ]
    assert len(inside) > 40
    assert [(page.name, link) for page, link in inside if not (page.parent / link).exists()] == []


def test_changed_files_stay_as_they_are(tmp_path: Path) -> None:
    """They are named; what is missing is copied again, and what has not changed is no news."""
    write_course(tmp_path)
    changed, missing = tmp_path / FIRST, tmp_path / "notebooks/02-redis.ipynb"
    changed.write_text("mine")
    missing.unlink()
    assert write_course(tmp_path) == [changed]
    assert changed.read_text() == "mine"
    assert missing.read_bytes() == (ROOT / "notebooks/02-redis.ipynb").read_bytes()


def test_a_checkout_is_a_course_already() -> None:
    """There is nothing to copy, and nothing is written."""
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "notebooks").iterdir()}
    assert write_course(ROOT) == []
    assert {path: path.stat().st_mtime_ns for path in (ROOT / "notebooks").iterdir()} == before


def test_a_copy_of_what_is_read_only_can_be_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Package managers install read-only files; and what a run left beside the originals does not travel."""
    original = tmp_path / "original"
    shutil.copytree(ROOT / "examples/testing-your-own", original)
    (original / "__pycache__").mkdir()
    (original / "__pycache__/test.pyc").write_bytes(b"")
    for path in original.glob("*.*"):
        path.chmod(0o444)
    monkeypatch.setattr("labkit.notebook.course.resource", lambda *_: original)
    assert write_example(tmp_path / "copy") == []
    written = list((tmp_path / "copy").iterdir())
    assert sorted(path.name for path in written) == sorted(path.name for path in original.glob("*.*"))
    assert all(path.stat().st_mode & 0o200 for path in written)


def test_a_folder_that_cannot_be_is_one_message(tmp_path: Path) -> None:
    """It says which, why, and what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LabkitError, match=r"file.* cannot be written: .* Name another folder\."):
        write_course(tmp_path / "file")
