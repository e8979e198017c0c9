"""A lab's files: written whole, for this user alone, and changed by one at a time."""

import os
import stat
import threading
from pathlib import Path

import pytest

from labkit.errors import StackError
from labkit.stack.options import Options
from labkit.stack.private import MARK
from labkit.stack.state import Folder, State

STATE = State(Options(ttl=60), {"redis": 1, "store": 2, "sidecar": 3, "prometheus": 4})


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.load() is None
    folder.create([])
    folder.save(STATE)
    assert folder.load() == STATE
    folder.clear()
    assert not folder.root.exists()
    assert not folder.socket.parent.exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 100_000, '{"options": {"ttl": -1}, "ports": {}}', '{"options": 1, "ports": 2}']
)
def test_a_damaged_state_is_one_clear_message(tmp_path: Path, text: str) -> None:
    """The message says what is wrong, and that `labkit down` clears it away."""
    folder = Folder(tmp_path)
    folder.create([])
    (folder.root / "state.json").write_text(text)
    with pytest.raises(StackError, match=r"state.json cannot be read .*labkit down"):
        folder.load()


def test_a_home_that_cannot_be_written_is_one_clear_message(tmp_path: Path) -> None:
    """Here a file stands where the folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match=r"cannot be kept .*LABKIT_HOME"), Folder(tmp_path / "file").locked():
        pytest.fail("locked what cannot exist")


def test_the_second_waits_and_then_has_a_lock_of_its_own(tmp_path: Path) -> None:
    """Also when the first has removed the folder with the lock, as `down` does."""
    folder, entered = Folder(tmp_path), threading.Event()

    def second() -> None:
        with folder.locked():
            entered.set()
            assert (folder.root / "lock").exists()

    with folder.locked():
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.2)
        folder.clear()
    thread.join(10)
    assert entered.is_set()


def test_what_is_made_is_for_this_user_alone(tmp_path: Path) -> None:
    """Folders 0700, files 0600, whatever the umask."""
    folder, former = Folder(tmp_path), os.umask(0)
    try:
        folder.create(["valkey"])
        folder.save(STATE)
        folder.write("prometheus.yml", "global: {}")
    finally:
        os.umask(former)
    made = [folder.root, *folder.root.rglob("*"), folder.socket.parent]
    modes = {str(path): stat.S_IMODE(path.stat().st_mode) for path in made}
    assert modes == {str(path): 0o700 if path.is_dir() else 0o600 for path in made}
    folder.clear()


def test_what_labkit_did_not_make_stays(tmp_path: Path) -> None:
    """A note of the user's in the folder outlives `down`, and the next `up` takes the folder again."""
    folder = Folder(tmp_path)
    folder.create(["valkey"])
    folder.save(STATE)
    (folder.root / "note.txt").write_text("mine")
    folder.clear()
    assert {path.name for path in folder.root.iterdir()} == {"note.txt", MARK}
    folder.create([])
    (folder.root / "note.txt").unlink()
    folder.clear()
    assert not folder.root.exists()


@pytest.mark.parametrize("name", ["data", "logs", "run", "state.json", "supervisord.conf"])
def test_a_link_in_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    """What it leads to keeps every file, and the message names the way out."""
    thesis, folder = tmp_path / "thesis", Folder(tmp_path / "home")
    thesis.mkdir()
    (thesis / "chapter").write_text("1")
    folder.create([])
    folder.clear(keep=("nothing",))
    (folder.root / name).symlink_to(thesis)
    with pytest.raises(StackError, match=rf"/{name} is a link.*LABKIT_HOME"):
        folder.clear()
    assert (thesis / "chapter").read_text() == "1"


def test_a_socket_folder_of_others_is_refused(tmp_path: Path) -> None:
    """Others may enter it, or it is a link: nothing is put there, and nothing removed."""
    folder = Folder(tmp_path)
    folder.socket.parent.mkdir()
    folder.socket.parent.chmod(0o755)
    try:
        with pytest.raises(StackError, match=r"is not a private folder of yours.*LABKIT_HOME"):
            folder.create([])
        folder.clear()
        assert folder.socket.parent.exists()
    finally:
        folder.socket.parent.rmdir()


def test_a_deep_home_has_a_short_socket() -> None:
    """The path of a socket ends at 108 bytes, supervisord adds a process id to it, and a home may be any length."""
    folders = [Folder(Path("/", *["deep"] * depth)) for depth in (1, 50, 51)]
    assert max(len(str(folder.socket)) for folder in folders) < 80
    assert len({folder.socket for folder in folders}) == 3
