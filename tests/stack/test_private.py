"""One folder of labkit's: made whole, known by its mark, and nothing else ever emptied."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labkit.errors import StackError
from labkit.stack.private import MARK, PrivateFolder
from tests.stack.somebody import SOMEBODY, needs_root


@pytest.fixture
def thesis(tmp_path: Path) -> Path:
    """A folder of the user's, full of work."""
    folder = tmp_path / "thesis"
    # Of nobody else, whatever the umask: that others may write there is another fault.
    folder.mkdir(mode=0o755)
    (folder / "data").mkdir()
    (folder / "data" / "measured").write_text("years")
    return folder


@pytest.fixture
def ours(tmp_path: Path) -> PrivateFolder:
    """A folder made as `up` makes it, with a file and a folder in it."""
    folder = PrivateFolder(tmp_path / "ours")
    folder.make()
    folder.folder("data", "deep")
    folder.write("state", "text")
    return folder


def refuses_everything(path: Path, why: str) -> None:
    folder = PrivateFolder(path)
    acts: list[Callable[[], object]] = [folder.make, folder.require, lambda: folder.folder("data")]
    acts += [lambda: folder.remove(["data"]), lambda: folder.remove_if_empty("lock")]
    acts += [lambda: folder.write("state", ""), lambda: folder.open("lock")]
    for act in acts:
        with pytest.raises(StackError, match=why):
            act()
    assert folder.fault()


def test_a_folder_of_the_users_is_refused(thesis: Path) -> None:
    """It has no mark, so nothing is written there and nothing removed."""
    before = sorted(thesis.rglob("*"))
    refuses_everything(thesis, "was not made here by this labkit.*LABKIT_HOME")
    assert sorted(thesis.rglob("*")) == before


def test_a_link_is_refused(tmp_path: Path, ours: PrivateFolder, thesis: Path) -> None:
    """Planted by somebody else or the user's own, to a thesis or even to a folder of labkit's: none is followed."""
    for target in (thesis, tmp_path / "ours", tmp_path / "nowhere"):
        (tmp_path / "link").symlink_to(target)
        refuses_everything(tmp_path / "link", "link is a link or a file.*LABKIT_HOME")
        (tmp_path / "link").unlink()
    assert (thesis / "data" / "measured").read_text() == "years"
    assert ours.read("state") == "text"


def test_a_copy_is_refused(tmp_path: Path, ours: PrivateFolder) -> None:
    """So is one that came in an archive or a repository: its mark is that of another folder."""
    shutil.copytree(tmp_path / "ours", tmp_path / "copy")
    (tmp_path / "copy").chmod(0o700)
    refuses_everything(tmp_path / "copy", "was not made here by this labkit")


@needs_root
def test_a_folder_of_another_user_is_refused(tmp_path: Path, ours: PrivateFolder) -> None:
    """Also with a mark that is right."""
    os.chown(tmp_path / "ours", SOMEBODY, SOMEBODY)
    refuses_everything(tmp_path / "ours", "belongs to another user.*LABKIT_HOME")


def test_a_folder_that_others_can_change_is_refused(tmp_path: Path, ours: PrivateFolder) -> None:
    """It, or the one in which it is, where others could exchange it."""
    (tmp_path / "ours").chmod(0o777)
    refuses_everything(tmp_path / "ours", "can be changed by others.*chmod 700")
    (tmp_path / "ours").chmod(0o700)
    tmp_path.chmod(0o777)
    refuses_everything(tmp_path / "ours", "so others could put theirs there.*LABKIT_HOME")


def test_a_link_inside_is_refused_or_left_alone(tmp_path: Path, ours: PrivateFolder, thesis: Path) -> None:
    """Where labkit writes and removes, it is refused; deeper down it goes, and what it leads to stays."""
    (tmp_path / "ours" / "data" / "deep" / "away").symlink_to(thesis)
    (tmp_path / "ours" / "logs").symlink_to(thesis)
    with pytest.raises(StackError, match="logs is a link"):
        ours.folder("logs", "deep")
    with pytest.raises(StackError, match="logs is a link"):
        ours.remove(["data", "logs"])
    assert (tmp_path / "ours" / "data").exists()
    ours.remove(["data", "state"])
    assert (thesis / "data" / "measured").read_text() == "years"


def test_a_planted_link_is_not_written_through(tmp_path: Path, ours: PrivateFolder) -> None:
    """Neither the file itself nor the one that becomes it."""
    (tmp_path / "precious").write_text("kept")
    for name in ("state.new", "lock"):
        (tmp_path / "ours" / name).symlink_to(tmp_path / "precious")
    ours.write("state", "new")
    with pytest.raises(OSError, match="symbolic links"):
        ours.open("lock")
    assert (ours.read("state"), (tmp_path / "precious").read_text()) == ("new", "kept")


def test_many_at_once_make_one_whole_folder(tmp_path: Path) -> None:
    """Each finds a mark that is right, and nobody leaves anything beside it."""
    (tmp_path / "one").mkdir()  # an empty folder gives way
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: PrivateFolder(tmp_path / "one").make(), range(32)))
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert [path.name for path in (tmp_path / "one").iterdir()] == [MARK]


def test_it_vanishes_with_its_lock_and_nothing_else(tmp_path: Path, ours: PrivateFolder) -> None:
    """As long as anything else is in it, it stays, marked."""
    ours.open("lock").close()
    ours.remove_if_empty("lock")
    ours.require()
    ours.remove(["state", "data"])
    ours.remove_if_empty("lock")
    assert list(tmp_path.iterdir()) == []
