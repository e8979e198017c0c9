"""What other users of the machine could change is doubted, and nothing else."""

import os
from pathlib import Path

import pytest

from labkit.stack.ownership import is_own, untrusted
from tests.stack.somebody import SOMEBODY, needs_root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in a folder, both as `mkdir` makes them."""
    folder = tmp_path / "above" / "folder"
    folder.mkdir(parents=True)
    return folder


def test_what_is_ours_alone_is_not_doubted(folder: Path) -> None:
    """Nor is what is root's, nor what lies in the sticky folder for all."""
    (folder / "file").touch(0o644)
    assert [untrusted(path) for path in (folder, folder / "file", Path("/usr/bin"), Path("/tmp"))] == [""] * 4  # noqa: S108


@pytest.mark.parametrize("depth", [0, 1])
def test_what_everybody_can_change_is_doubted(folder: Path, depth: int) -> None:
    """The folder or one above it: the message names which. A sticky one is none of them."""
    place = (folder, *folder.parents)[depth]
    place.chmod(0o777)
    assert untrusted(folder) == f"{place} can be changed by everybody on this machine"
    place.chmod(0o1777)
    assert untrusted(folder) == ""


@needs_root
@pytest.mark.parametrize("depth", [0, 1])
def test_what_belongs_to_somebody_is_doubted(folder: Path, depth: int) -> None:
    """Whoever owns a folder can exchange all that is in it."""
    place = (folder, *folder.parents)[depth]
    os.chown(place, SOMEBODY, -1)
    assert untrusted(folder).startswith(f"{place} belongs to another user (")
    assert is_own(place) is False


@needs_root
def test_a_group_counts_by_who_is_in_it(folder: Path) -> None:
    """Many systems give each user a group of their own, which may write; others are in any other group."""
    folder.chmod(0o775)
    assert untrusted(folder) == ""
    os.chown(folder, -1, SOMEBODY)
    assert untrusted(folder) == f"{folder} can be changed by others of its group"


def test_a_link_is_doubted(tmp_path: Path, folder: Path) -> None:
    """Paths are made free of links first: one that is there now was put there meanwhile."""
    (tmp_path / "link").symlink_to(folder.parent)
    assert untrusted(tmp_path / "link" / "folder") == f"{tmp_path}/link is a link"


def test_nothing_is_nobodys(tmp_path: Path) -> None:
    """A name without a file belongs to nobody, and is an error where one looks."""
    assert is_own(tmp_path / "none") is False
    with pytest.raises(FileNotFoundError):
        untrusted(tmp_path / "none")
