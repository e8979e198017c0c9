"""The command `labkit`, also as `python -m labkit`."""

import sys

from labkit.errors import MissingExtra
from labkit.extras import extra_of, needing


def main() -> None:
    """Run the command line, or say how to install what it needs."""
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        with needing(extra_of(command), f"labkit {command}".rstrip()):
            from labkit.cli.app import run

            sys.exit(run())
    except MissingExtra as missing:
        sys.exit(f"error: {missing}")


if __name__ == "__main__":
    main()
