"""Redis: how a number is written, in Python as in `lua/`."""


def shortest(value: float) -> str:
    """Return the text of `value` that reads back as the same double: 15 digits if they suffice, else 17.

    The scripts in `lua/` write numbers in the same way, so a bound has one text wherever it is written.
    """
    if value % 1 == 0 and abs(value) < 2**53:
        return f"{value:.0f}"
    short = f"{value:.15g}"
    return short if float(short) == value else f"{value:.17g}"
