"""The labs of this user: which there are, which is meant where none is named, and which folder a new one gets."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from labkit.errors import StackError
from labkit.stack import processes
from labkit.stack.home import LabsFolder, find_home, require_name
from labkit.stack.session import Session, session
from labkit.stack.state import Folder, State
from labkit.stack.supervisor import Supervisor


def started(home: Path | str | None = None) -> dict[Folder, State]:
    """Return the labs of a home that were started, and not ended: the last one first.

    Raises:
        StackError: the folder of labs of the home is a link, somebody else's, or not made by labkit.
    """
    home = find_home(home)
    known = [Folder(home, name) for name in LabsFolder(home).names()]
    states = {folder: state for folder in known if (state := state_of(folder))}
    return dict(sorted(states.items(), key=lambda item: item[1].started, reverse=True))


def leftovers(home: Path | str | None = None) -> list[Folder]:
    """Return the folders of all labs of a home, also those of which only files or processes are left."""
    home = find_home(home)
    folder = LabsFolder(home)
    names = {} if folder.fault() else dict.fromkeys(folder.names())
    return [Folder(home, name) for name in names | dict.fromkeys(processes.labs_in(folder.root))]


def find(home: Path | str | None = None, name: str | None = None) -> Folder:
    """Return the folder of the lab that is meant: the one of this name, else this notebook's own, else the one that
    runs and was started last, else the one that was started last, else where a new one would be.

    Raises:
        StackError: `name` cannot be the name of a lab, or the folder of labs is not labkit's.
    """
    if name is not None:
        return Folder(find_home(home), require_name(name))
    me, labs = session(), started(home)
    own = [folder for folder, state in labs.items() if state.owner == me.owner and me.owner]
    candidates = own or list(labs)
    if len(candidates) > 1:
        return next(filter(_runs, candidates), candidates[0])
    return candidates[0] if candidates else Folder(find_home(home), me.name)


def find_or_leftover(home: Path | str | None = None, name: str | None = None) -> Folder:
    """Return the folder of the lab that is meant, or of one of which only files or processes are left."""
    try:
        known = name is not None or bool(started(home))
    except StackError:  # something else has its name; the processes are ours all the same
        known = False
    left = [] if known else leftovers(home)
    return left[0] if left else find(home, name)


@contextmanager
def reserved(home: Path | str | None, me: Session, name: str | None = None) -> Iterator[Folder]:
    """Yield, locked, the folder in which a lab may be started: the one of this name, else the first of this notebook's
    own that is not another notebook's by now.

    Raises:
        StackError: `name` cannot be the name of a lab, or the folder of labs or a lab in it is not labkit's.
    """
    for folder in _candidates(find_home(home), me, name):
        if name is None and _is_others(folder, me):
            continue
        with folder.locked():
            if name is None and _is_others(folder, me):  # who was quicker
                continue
            yield folder
            return


def state_of(folder: Folder) -> State | None:
    """Return the state of a lab, None if there is none that can be read."""
    try:
        return folder.load()
    except StackError:  # who means this lab is told; the others go on
        return None


def _candidates(home: Path, me: Session, name: str | None) -> Iterator[Folder]:
    """Where to start a lab, in the order in which to try."""
    if name is not None:
        yield Folder(home, require_name(name))
        return
    yield from (folder for folder, state in started(home).items() if me.owner and state.owner == me.owner)
    yield Folder(home, me.name)
    yield from (Folder(home, f"{me.name}-{number}") for number in count(2))


def _is_others(folder: Folder, me: Session) -> bool:
    """Whether a lab is another notebook's, and something of it runs."""
    state = folder.load()
    if state is None or state.owner == me.owner:
        return False
    return Supervisor(folder).alive() or bool(processes.of_lab(folder.root))


def _runs(folder: Folder) -> bool:
    try:
        return Supervisor(folder).alive()
    except StackError:  # somebody else listens there
        return False
