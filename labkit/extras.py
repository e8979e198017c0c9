"""What pip calls labkit, and what to install for what is missing: labkit comes in parts.

labkit-metrics            record
labkit-metrics[sidecar]   expose, and the command line
labkit-metrics[store]     the example store as well
labkit-metrics[lab]       everything
"""

from collections.abc import Iterator
from contextlib import contextmanager

from labkit.errors import MissingExtra

# On package indexes, the name `labkit` belongs to somebody else's package.
DISTRIBUTION = "labkit-metrics"

# The smallest part that runs a command; every other command needs the whole lab.
_COMMANDS = {"": "sidecar", "exporter": "sidecar", "example": "sidecar", "store": "store"}


def installed() -> str:
    """Return the version of labkit that is installed."""
    from importlib.metadata import version

    return version(DISTRIBUTION)


def install(extra: str) -> str:
    """Return the command that installs a part of labkit."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def extra_of(command: str) -> str:
    """Return the smallest part with which `labkit COMMAND` runs; "" stands for the command line itself."""
    return _COMMANDS.get(command, "lab")


@contextmanager
def needing(extra: str, what: str) -> Iterator[None]:
    """Say how to install what `what` needs, if an import within fails for want of it.

    Raises:
        MissingExtra: a package of that part is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        # A module of labkit itself that is missing is a fault of ours, and no part brings it.
        if isinstance(missing, MissingExtra) or (missing.name or "labkit").partition(".")[0] == "labkit":
            raise
        raise MissingExtra(
            f"{what} needs {missing.name}, which is not installed: {install(extra)}", name=missing.name
        ) from None
