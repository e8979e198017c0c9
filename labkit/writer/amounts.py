"""Record: what counts as a number, when it is not a plain int or float.

Whatever is recorded becomes a finite Python number at the call, before anything is computed with it: NumPy's integers
wrap around, its arrays compare like numbers, and both would fail later, in another thread, among the records of others.
"""

import math
from reprlib import repr as shortened

from labkit.errors import MetricError

# Tuples, because a union would be built at every call.
_NUMBERS, _TEXTS = (float, int), (str, bytes, bytearray)
# The kinds of NumPy's types that hold numbers, and O for what is not of NumPy.
_NUMBER_KINDS = "biufcO"


def number_of(value: object, name: str, at_least: float = -math.inf) -> float:
    """Return what `value` is worth as a finite double: a NumPy scalar, an array without dimensions, a decimal, a bool.

    Raises:
        MetricError: it is not one finite number, or is below `at_least`; the metric `name` is in the message.
    """
    number = _converted(value, name)
    if not math.isfinite(number):
        raise MetricError(f"{name}: {shortened(value)} is not finite.")
    if number < at_least:
        raise MetricError(f"{name}: {shortened(value)} is negative, but a counter only grows; use a gauge.")
    return number


def _converted(value: object, name: str) -> float:
    try:
        if _is_one_number(value):
            return float(value)  # type: ignore[arg-type]  # whatever it cannot convert raises
    except OverflowError:
        raise MetricError(f"{name}: the number is too large for a double.") from None
    except Exception as error:
        # What a conversion raises is up to whoever wrote it; ours to say is at which call.
        raise MetricError(f"{name}: {shortened(value)} is not a number: {error}") from error
    raise MetricError(f"{name}: {shortened(value)} is not one real number.")


def _is_one_number(value: object) -> bool:
    if isinstance(value, _NUMBERS):
        return True
    # NumPy would take the only element of an array, the real part of a complex number, and a time without its unit.
    scalar = getattr(value, "shape", ()) == () and _kind(value) in _NUMBER_KINDS
    return scalar and not isinstance(value, _TEXTS) and _is_real(value)


def _kind(value: object) -> str:
    return str(getattr(getattr(value, "dtype", None), "kind", "O"))


def _is_real(value: object) -> bool:
    return complex(value).imag == 0  # type: ignore[call-overload,no-any-return]  # as above
