"""Where labs are: one private folder for all of a user's, wherever the server or the terminal runs."""

import os
import threading
from pathlib import Path

import pytest

from labkit.errors import StackError
from labkit.stack.home import FOLDER, LabsFolder, find_home, require_name
from labkit.stack.state import Folder
from tests.stack.somebody import SOMEBODY, needs_root


def test_the_argument_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "named"))
    assert find_home() == tmp_path / "named"
    assert find_home(tmp_path / "given") == tmp_path / "given"


def test_it_is_the_users_home_wherever_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub starts JupyterLab in the home, a terminal is in a project: both find the same labs."""
    monkeypatch.delenv("LABKIT_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "project" / ".git").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    assert find_home() == tmp_path


@pytest.mark.parametrize("name", ["", "Lab", ".lock", "a/b", "..", "a" * 41, "made by"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    """It would be a path, or in the way of labkit's own files."""
    with pytest.raises(StackError, match="cannot be the name of a lab"):
        require_name(name)


def test_a_folder_of_labs_goes_with_the_last_lab(tmp_path: Path) -> None:
    """And not before; what others put there stays."""
    first, second = Folder(tmp_path, "first"), Folder(tmp_path, "second")
    first.create([])
    second.create([])
    first.clear()
    assert LabsFolder(tmp_path).names() == ["second"]
    (tmp_path / FOLDER / "note.txt").write_text("mine")
    second.clear()
    assert (tmp_path / FOLDER / "note.txt").read_text() == "mine"
    (tmp_path / FOLDER / "note.txt").unlink()
    LabsFolder(tmp_path).clear()
    assert list(tmp_path.iterdir()) == []


def test_labs_come_and_go_at_the_same_time(tmp_path: Path) -> None:
    """The folder of all of them is cleared away by the last one, and made by the next, under each other's feet."""
    failed: list[BaseException] = []

    def come_and_go(name: str) -> None:
        try:
            for _ in range(25):
                folder = Folder(tmp_path, name)
                with folder.locked():
                    folder.create([])
                    folder.write("run/it", name)
                    folder.clear()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=come_and_go, args=(name,)) for name in ("one", "two", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inside", ["", "lab"], ids=["labs", "lab"])
def test_a_link_is_never_followed(tmp_path: Path, inside: str) -> None:
    """In the place of all labs, or of one: it is refused, and what it leads to stays."""
    thesis, planted = tmp_path / "thesis", tmp_path / "home" / FOLDER
    (thesis / "lab").mkdir(parents=True)
    folder = Folder(tmp_path / "home", "lab")
    if inside:
        Folder(tmp_path / "home", "other").create([])
    planted = planted / inside if inside else planted
    planted.parent.mkdir(exist_ok=True, parents=True)
    planted.symlink_to(thesis)
    for enter in (folder.load, folder.clear, lambda: folder.create([])):
        with pytest.raises(StackError, match="is a link"):
            enter()
    assert [path.name for path in thesis.iterdir()] == ["lab"]


@needs_root
def test_a_folder_of_labs_of_another_user_is_refused(tmp_path: Path) -> None:
    """Or one that others may write to: nothing is put there."""
    folder = Folder(tmp_path, "lab")
    folder.create([])
    os.chown(tmp_path / FOLDER, SOMEBODY, SOMEBODY)
    with pytest.raises(StackError, match="belongs to another user"):
        folder.load()
    os.chown(tmp_path / FOLDER, 0, 0)
    (tmp_path / FOLDER).chmod(0o770)
    with pytest.raises(StackError, match="can be changed by others"):
        folder.create([])
