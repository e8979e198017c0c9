"""Whatever is recorded is a finite number when the call returns, or the call says why not."""

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from labkit.errors import MetricError
from labkit.keyspace.keys import Keys
from labkit.writer.descriptor import Descriptor
from labkit.writer.instrument import Instrument
from labkit.writer.instruments import Counter, Gauge, Histogram
from labkit.writer.registry import Registry

INTEGERS = st.one_of(stnp.integer_dtypes(), stnp.unsigned_integer_dtypes(), stnp.boolean_dtypes())
SCALARS = st.one_of(INTEGERS, stnp.floating_dtypes())
NUMBERS = st.one_of(
    st.floats(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.booleans(),
    st.fractions(),
    st.decimals(),
    SCALARS.flatmap(stnp.from_dtype),
    SCALARS.flatmap(lambda dtype: stnp.arrays(dtype, ())),
)
SHAPES = stnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=2)
NO_NUMBERS = st.one_of(
    st.none(),
    st.text(),
    st.binary(),
    st.lists(st.floats(), max_size=1),
    st.complex_numbers().filter(lambda z: z.imag),
    stnp.from_dtype(np.dtype("complex64")).filter(lambda z: z.imag),
    stnp.from_dtype(np.dtype("datetime64[s]")),
    stnp.from_dtype(np.dtype("timedelta64[ns]")),
    stnp.from_dtype(np.dtype("U3")),
    SCALARS.flatmap(lambda dtype: stnp.arrays(dtype, SHAPES)),
)


def calls() -> dict[str, tuple[Instrument, Callable[[Any], None]]]:
    """The five ways to record, each on a metric of its own."""
    registry = Registry(Keys(), 10)
    counter = registry.declare(Descriptor("counter", "c", "Help."), Counter)
    up, down, to = (registry.declare(Descriptor("gauge", name, "Help."), Gauge) for name in ("plus", "minus", "to"))
    took = registry.declare(Descriptor("histogram", "h", "Help.", buckets=(0.0,)), Histogram)
    return {
        "add": (counter, counter.inc),
        "up": (up, up.inc),
        "down": (down, down.dec),
        "set": (to, to.set),
        "observe": (took, took.observe),
    }


def worth(value: Any) -> float:
    """What a number is worth as a double; not finite if that cannot be said."""
    try:
        return float(value.item() if isinstance(value, np.generic | np.ndarray) else value)
    except (OverflowError, ValueError):
        return math.nan


def wanted(call: str, value: float) -> Any:
    return {"down": -value, "set": (value,)}.get(call, value)


@given(NUMBERS)
def test_numbers_of_all_types_count_as_what_they_are_worth(value: Any) -> None:
    """Plain, of NumPy, in an array without dimensions, decimal, fraction: as a double, or not at all."""
    exact = worth(value)
    for call, (metric, record) in calls().items():
        if math.isfinite(exact) and (exact >= 0 or call != "add"):
            record(value)
            (found,) = metric.records
            assert found == wanted(call, exact)
            assert type(found[0] if call == "set" else found) in (float, int)
        else:
            with pytest.raises(MetricError, match=metric.descriptor.name):
                record(value)
            assert metric.records == []


@given(NO_NUMBERS)
def test_what_is_no_number_is_refused_at_the_call(value: Any) -> None:
    """Text, arrays, complex numbers and times: each call raises, and costs no other record."""
    for metric, record in calls().values():
        record(1)
        with pytest.raises(MetricError, match=metric.descriptor.name):
            record(value)
        assert (metric.fold(), metric.collect() is None) == (1, False)


class Odd:
    """What compares like a number and converts to none."""

    def __le__(self, _: object) -> bool:
        return True

    __ge__ = __le__

    def __float__(self) -> float:
        raise KeyError("odd")

    def __repr__(self) -> str:
        raise KeyError("odd")


FAILING = [Odd(), Decimal("sNaN"), Fraction(10**400), np.float16("inf"), np.ma.masked, 10**5000, -(10**5000)]


@pytest.mark.parametrize("value", FAILING, ids=lambda value: type(value).__name__)
def test_what_fails_inside_becomes_an_error_of_ours(value: Any) -> None:
    """Whatever an object's own methods raise, the caller sees a MetricError, and nothing is recorded."""
    for metric, record in calls().values():
        with pytest.raises(MetricError, match=metric.descriptor.name):
            record(value)
        assert metric.records == []


def test_an_unsigned_integer_does_not_wrap_around() -> None:
    """Taking 1 of NumPy's bytes from 10 leaves 9, not 265."""
    depth, dec = calls()["down"]
    dec(-10)
    dec(np.uint8(1))
    depth.fold()
    assert depth.collect() == '["gauge","new",9.0,9.0]'
