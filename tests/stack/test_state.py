"""One lab per home: found from below, written whole, and changed by one at a time."""

import threading
from pathlib import Path

import pytest

from labkit.errors import StackError
from labkit.stack.options import Options
from labkit.stack.state import Folder, State, find_home

STATE = State(Options(ttl=60), {"redis": 1, "store": 2, "sidecar": 3, "prometheus": 4})


def test_the_argument_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "named"))
    assert find_home() == tmp_path / "named"
    assert find_home(tmp_path / "given") == tmp_path / "given"


def test_a_notebook_and_a_shell_share_one_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From `notebooks/` the project's root is found: by its marks first, then by the lab that runs there."""
    monkeypatch.delenv("LABKIT_HOME", raising=False)
    below = tmp_path / "project" / "notebooks" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    (tmp_path / "project" / "pyproject.toml").touch()
    assert find_home() == tmp_path / "project"
    (tmp_path / ".labkit").mkdir()
    assert find_home() == tmp_path


def test_without_a_project_it_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABKIT_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert find_home() == tmp_path


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
    "text", ["", "[]", "{}", '{"options": {"ttl": -1}, "ports": {}}', '{"options": 1, "ports": 2}']
)
def test_a_damaged_state_is_one_clear_message(tmp_path: Path, text: str) -> None:
    """The message says what is wrong, and that `labkit down` clears it away."""
    folder = Folder(tmp_path)
    folder.root.mkdir()
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


def test_a_deep_home_has_a_short_socket() -> None:
    """The path of a socket ends at 108 bytes, supervisord adds a process id to it, and a home may be any length."""
    folders = [Folder(Path("/", *["deep"] * depth)) for depth in (1, 50, 51)]
    assert max(len(str(folder.socket)) for folder in folders) < 80
    assert len({folder.socket for folder in folders}) == 3
