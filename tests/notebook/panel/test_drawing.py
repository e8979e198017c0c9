"""The picture of the path: well-formed, readable without colour, and safe whatever is in it."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from labkit.notebook.panel.drawing import describe, draw
from labkit.notebook.panel.pipeline_probe import StageReading

STAGES = [
    StageReading("store", "answering", 12, 0.0, 12),
    StageReading("redis", "answering", 10, 1.25, 10),
    StageReading("sidecar", "answering", 10, 2.5, 10),
    StageReading("prometheus", "answering", 7, 4.0, 7),
]
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    said = ("".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text"))  # noqa: S314  ours
    return [text for text in said if text]


def test_the_picture_says_every_value_age_and_difference() -> None:
    """In the order of the path: the number, how old it is, and how many are still to come."""
    said = texts(draw(STAGES, "joined"))
    assert [text for text in said if text in ("12", "10", "7")] == ["12", "10", "10", "7"]
    assert {"now", "1.2 s old", "2.5 s old", "4.0 s old"} <= set(said)
    assert [said[place - 1] for place, text in enumerate(said) if text == "to come"] == ["2", "0", "3"]


@pytest.mark.parametrize("state", ["paused", "silent", "dead"])
def test_a_state_is_a_word_a_shape_and_a_kind_of_line(state: str) -> None:
    """Colour is never the only difference; nothing comes through an arrow whose end does not answer."""
    broken = [STAGES[0], replace(STAGES[1], state=state, value=None, age=None), *STAGES[2:]]
    svg, whole = draw(broken, "joined", [True] * 3), draw(STAGES, "joined", [True] * 3)
    group = next(one for one in ET.fromstring(svg).iter(f"{SVG}g") if one.get("data-stage") == "redis")  # noqa: S314
    marks = {path.get("d") for path in group.iter(f"{SVG}path")}
    assert state in texts(svg)
    assert not marks & {path.get("d") for path in ET.fromstring(whole).iter(f"{SVG}path")}  # noqa: S314
    assert "last seen: 10" in texts(svg)
    assert (whole.count("<circle"), svg.count("<circle")) == (3, 1)


def test_the_picture_is_told_to_those_who_do_not_see_it() -> None:
    """Its label has what the description says."""
    assert ET.fromstring(draw(STAGES, "joined")).get("aria-label") == describe(STAGES)  # noqa: S314
    assert "Redis: answering, 10, 1.2 s old" in describe(STAGES)


def test_an_application_that_cannot_reach_redis_says_when_it_tries_again() -> None:
    """In place of what its number is: whoever waits is told that it goes on, and for how long; aloud, too."""
    waiting = [replace(STAGES[0], tries_in=2.3), *STAGES[1:]]
    assert "tries Redis again in 3 s" in texts(draw(waiting, "joined"))
    assert "now, tries Redis again in 3 s; Redis" in describe(waiting)
    assert "tries" not in draw(STAGES, "joined")


@pytest.mark.parametrize("columns", [1, 2])
def test_a_narrow_path_says_the_same(columns: int) -> None:
    """In fewer columns, the same stages and arrows stand below each other, within the picture."""
    narrow, wide = draw(STAGES, "joined", [True] * 3, columns), draw(STAGES, "joined", [True] * 3)
    assert " ".join(sorted(" ".join(texts(narrow)).split())) == " ".join(sorted(" ".join(texts(wide)).split()))
    width, height = (float(side) for side in str(ET.fromstring(narrow).get("viewBox")).split()[2:])  # noqa: S314
    corners = {tuple(map(float, at)) for at in re.findall(r'<g transform="translate\((\d+), (\d+)\)"><g', narrow)}
    assert len(corners) == 4
    assert all(x + 180 <= width and y + 175 <= height for x, y in corners)


def test_text_cannot_break_out_of_the_picture() -> None:
    """Whatever an event is called."""
    assert '<b onload="1">' in " ".join(texts(draw(STAGES, '<b onload="1">')))


def test_who_remembers_more_than_the_one_before_waits_for_nothing() -> None:
    """The application was started anew, and Redis has what came before: nobody knows how many are under way."""
    said = texts(draw([replace(STAGES[0], value=3), *STAGES[1:]], "joined"))
    assert said.count("?") == 1
    assert said.count("to come") == 2
