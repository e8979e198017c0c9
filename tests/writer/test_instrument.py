"""What all metrics have in common: children by label values, removal, and why a series is written."""

import pytest

from labkit.errors import MetricError
from labkit.keyspace.keys import Keys
from labkit.writer.descriptor import Descriptor
from labkit.writer.instrument import AGAIN, NEVER, NEW, NOW, Mode
from labkit.writer.instruments import Counter
from labkit.writer.registry import Registry

MODES: list[tuple[float, int, Mode]] = [
    (NEW, 0, "new"),
    (NEW, 3, "new"),
    (AGAIN, 0, "again"),
    (AGAIN, 3, "new"),
    (NOW, 3, "record"),
    (NEVER, 3, "record"),
    (NOW, 0, "refresh"),
    (17.0, 0, "refresh"),
]


def counter(*labels: str, within: Registry | None = None) -> Counter:
    metrics = Registry(Keys(), 100) if within is None else within
    return metrics.declare(Descriptor("counter", "events", "Help.", labels), Counter)


def test_one_child_for_labels_by_name_position_and_order() -> None:
    """However a child is asked for, it is the same object."""
    events = counter("event", "place")
    child = events.labels(event="joined", place="here")
    assert child is events.labels(place="here", event="joined") is events.labels("joined", "here")


def test_label_values_that_python_takes_for_equal_stay_apart() -> None:
    """1, 1.0 and True hash alike; as label values they are three series."""
    events = counter("code")
    children = [events.labels(code=code) for code in ("1", 1, 1.0, True)]
    assert children[0] is children[1]
    assert len({id(child) for child in children}) == 3


@pytest.mark.parametrize("labels", [{}, {"event": "a", "x": "b"}, {"Event": "a"}])
def test_wrong_labels_name_the_right_ones(labels: dict[str, str]) -> None:
    """A label mistake says which labels there are."""
    with pytest.raises(MetricError, match=r"has the labels \(event\)"):
        counter("event").labels(**labels)


@pytest.mark.parametrize("labels", [{"event": "joined"}, {"event": "joined", "place": "here"}])
def test_labels_given_both_ways_are_refused(labels: dict[str, str]) -> None:
    """Also when the names alone are known already: a value that nobody uses is a mistake."""
    events = counter(*labels)
    events.labels(**labels)
    with pytest.raises(MetricError, match="has the labels"):
        events.labels("left", **labels)


def test_a_metric_with_labels_is_not_recorded_to() -> None:
    """When `.labels()` was forgotten, the error says how to call it."""
    with pytest.raises(MetricError, match=r"events\.labels\(event=…\)"):
        counter("event").inc()


def test_a_child_has_no_further_labels() -> None:
    """`.labels()` twice is a mistake."""
    with pytest.raises(MetricError, match="directly"):
        counter("event").labels(event="a").labels(event="b")


@pytest.mark.parametrize(("due", "folded", "mode"), MODES)
def test_a_series_says_why_it_is_written(due: float, folded: int, mode: Mode) -> None:
    """New to this writer, recorded to, written again because a server lost it, or only to live on."""
    events = counter()
    events.due_at, events.folded = due, folded
    assert events.mode == mode


def test_a_removed_child_leaves_and_a_held_one_finds_its_successor() -> None:
    """After remove() the label values start anew; whoever kept the old child records to the new one."""
    metrics = Registry(Keys(), 100)
    events = counter("user", within=metrics)
    old, other = events.labels(user="a"), events.labels(user="b")
    events.remove(user="a")
    assert metrics.series() == [other]
    old.inc(3)
    assert (old.records, events.labels(user="a").records) == ([], [3])
    removals, departed, _ = metrics.snapshot()
    assert ([removal.key for removal in removals], departed) == (["metrics:counter:events:user=a"], [old])


def test_clear_leaves_nothing_of_the_metric_and_all_of_the_others() -> None:
    """Every child goes, from Redis too by its pattern; another metric with the same beginning of its name stays."""
    metrics = Registry(Keys(), 100)
    events = counter("user", within=metrics)
    other = metrics.declare(Descriptor("counter", "events_too", "Help.", ("user",)), Counter).labels(user="a")
    children = [events.labels(user=user) for user in "ab"]
    events.clear()
    removals, departed, series = metrics.snapshot()
    assert (departed, series) == (children, [other])
    assert [removal.pattern for removal in removals] == ["metrics:counter:events:*"]


def test_only_children_can_be_removed() -> None:
    """A metric without labels always holds its one series; a mistake in the labels says which there are."""
    with pytest.raises(MetricError, match="no"):
        counter().clear()
    with pytest.raises(MetricError, match="user"):
        counter("user").remove(place="here")
