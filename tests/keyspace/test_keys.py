"""Keys are readable, unambiguous, and never contain what would break them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import MetricError
from labkit.keyspace.keys import LONGEST_KEY, Keys, parse

LABEL_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
LABEL_VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


def test_a_key_reads_like_its_series() -> None:
    """Labels are sorted, after kind and name; slashes and colons stay as they are."""
    key = Keys().series("histogram", "took", [("method", "GET"), ("endpoint", "/api/store/join")])
    assert key == "metrics:histogram:took:endpoint=/api/store/join,method=GET"


def test_an_empty_label_is_no_label() -> None:
    """Prometheus makes no difference between the two, so they are one key."""
    assert Keys().series("counter", "x", [("a", "")]) == "metrics:counter:x"


@given(labels=st.dictionaries(LABEL_NAMES, LABEL_VALUES, max_size=4))
def test_any_labels_come_back(labels: dict[str, str]) -> None:
    """Whatever a label value holds, its key can be taken apart again, and is one line."""
    key = Keys().series("gauge", "depth", labels.items())
    assert parse(key) == ("gauge", "depth", labels)
    assert key.isprintable() or not set(key) & {chr(c) for c in range(32)}


@pytest.mark.parametrize(("value", "held"), [("a\0b", "a�b"), ("\ud800x", "�x")])
def test_what_prometheus_cannot_hold_is_replaced(value: str, held: str) -> None:
    """NUL and half surrogates, which would break the whole page, become U+FFFD."""
    assert parse(Keys().series("counter", "x", [("a", value)]))[2] == {"a": held}


def test_a_key_is_no_longer_than_a_sidecar_shows() -> None:
    """In bytes, not in characters; the error is at the look-up, where the labels are."""
    fits = "é" * ((LONGEST_KEY - len("metrics:counter:x:a=")) // 2)
    assert len(Keys().series("counter", "x", [("a", fits)]).encode()) == LONGEST_KEY
    with pytest.raises(MetricError, match="8192 bytes"):
        Keys().series("counter", "x", [("a", fits + "x")])


@pytest.mark.parametrize("prefix", ["", "a:b", "a b", "a*"])
def test_a_prefix_that_breaks_keys_is_refused(prefix: str) -> None:
    """The prefix is part of patterns and of every key."""
    with pytest.raises(MetricError, match="prefix"):
        Keys(prefix)


@pytest.mark.parametrize("key", ["", "metrics", "metrics:counter", "metrics:summary:x", "other"])
def test_other_keys_are_not_taken_apart(key: str) -> None:
    """What is not a series key is named in the error."""
    with pytest.raises(MetricError, match="series key"):
        parse(key)
