"""Numbers as text: what Redis holds, and the bounds of buckets as Prometheus names them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.keyspace.numbers import le, shortest

# A bound, and what Go's strconv and Prometheus 3 make of it; tests/sidecar/test_conformance.py asks a Prometheus.
BOUNDS = {
    -0.0: "0.0", 10: "10.0", 2500: "2500.0", 0.25: "0.25", -1.5: "-1.5", 0.0001: "0.0001",
    0.00001: "1e-05", 1.25e-5: "1.25e-05", 999_999: "999999.0", 999_999.5: "999999.5", 1e6: "1e+06", -1e6: "-1e+06",
    1_234_567: "1.234567e+06", 1_200_500.25: "1.20050025e+06", 2**53: "9.007199254740992e+15", 1e16: "1e+16",
    2**60: "1.152921504606847e+18", 1e100: "1e+100", 0.1 + 0.2: "0.30000000000000004",
    2.0**-24: "5.960464477539063e-08",
}  # fmt: skip


@pytest.mark.parametrize(("bound", "text"), BOUNDS.items())
def test_a_bound_is_written_as_go_does(bound: float, text: str) -> None:
    """With a point or an exponent, the exponent from a million on, and as few digits as possible."""
    assert le(bound) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_text_reads_back_as_the_same_number(value: float) -> None:
    """Neither the value of a series nor a bound is rounded."""
    assert float(shortest(value)) == float(le(value)) == value
