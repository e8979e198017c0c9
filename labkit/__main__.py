"""The command `labkit`, also as `python -m labkit`."""

import sys


def main() -> None:
    """Run the command line, or say how to get what it needs."""
    try:
        import typer  # noqa: F401  only to see whether it is there
    except ModuleNotFoundError:
        sys.exit("error: The command line is not part of the base installation: pip install 'labkit[lab]'")
    from labkit.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
