"""How a number is written, in Python as in `lua/`: in Redis, and as the bound of a bucket."""


def shortest(value: float) -> str:
    """Return the text of `value` that reads back as the same double: 15 digits if they suffice, else 17.

    The scripts in `lua/` write numbers in the same way, so a bound has one text wherever it is written.
    """
    if value % 1 == 0 and abs(value) < 2**53:
        return f"{value:.0f}"
    short = f"{value:.15g}"
    return short if float(short) == value else f"{value:.17g}"


def le(bound: float) -> str:
    """Return a bound as Prometheus 3 writes it, whatever text it was given: `10.0`, `0.25`, `1.234567e+06`.

    Prometheus 2 keeps what it is given; so do relabelling rules.
    """
    text = repr(bound + 0.0)  # not -0.0
    # Go's exponents begin at 1e+06, Python's at 1e+16.
    if not 1e6 <= abs(bound) < 1e16:
        return text
    digits = len(text.strip("-.0").replace(".", ""))
    return f"{bound:.{digits - 1}e}"
