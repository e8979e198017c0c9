"""What the services said: one file each, also of a lab that did not start."""

from pathlib import Path

from labkit.errors import StackError
from labkit.stack.labs import find
from labkit.stack.services import LOCUST, SUPERVISOR, require_service


def log_of(service: str, home: Path | str | None = None, *, name: str | None = None) -> Path:
    """Return the file with all that a service, or "supervisord", printed since the lab was started.

    Which lab is meant: see `Stack.attach`.

    Raises:
        StackError: there is no such service, it has said nothing yet, or the lab's folder is not labkit's.
    """
    require_service(service, LOCUST, SUPERVISOR)
    folder = find(home, name)
    if fault := folder.fault():
        raise StackError(fault)
    if not folder.log(service).exists():
        raise StackError(f"There is no log of {service} of the lab {folder.name!r}. Start a lab: labkit up")
    return folder.log(service)


def tail(log: Path, lines: int) -> str:
    """Return the last `lines` of a file, nothing if there is no such file."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
