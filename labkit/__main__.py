"""The command `labkit`, also as `python -m labkit`."""

import sys


def main() -> None:
    """Run the command line, or say how to install what it needs."""
    try:
        from labkit.cli import run

        sys.exit(run())
    except ModuleNotFoundError as missing:
        if (missing.name or "labkit").partition(".")[0] == "labkit":
            raise
        # Installed in parts: the base has no command line, and labkit[sidecar] has neither store nor stack.
        sys.exit(f"error: This needs {missing.name}, which is not installed: pip install 'labkit[lab]'")


if __name__ == "__main__":
    main()
