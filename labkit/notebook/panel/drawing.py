"""The pipeline as a picture: SVG that needs nothing else, so that it also shows where no widget runs.

A state is told by a shape and a word; its color only helps. Colors are Okabe and Ito's.
"""

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from math import ceil
from pathlib import Path

from labkit.notebook.panel.pipeline_probe import StageReading

NAMES = {"store": "Application", "redis": "Redis", "sidecar": "Sidecar", "prometheus": "Prometheus"}
SAYS = {
    "store": "its ledger, since its start",
    "redis": "the key's JSON",
    "sidecar": "its page",
    "prometheus": "instant query",
}
HEIGHT = 190
_BOX, _GAP, _TOP, _TALL = 178, 70, 34, 122
# From one row to the next, and from the top of a row to its arrows.
_DOWN, _MIDDLE = 192, 95
_DOWNWARDS, _TITLE = 90, 290

Point = tuple[int, int]

# Outside a notebook's page there are no --jp-* variables, and the second value counts: on light pages and dark ones.
STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
# A ring, two bars, a question mark without its dot, a cross: 14 by 14, from the corner at the top left.
_MARKS = {
    "answering": "M7 1a6 6 0 1 0 .01 0M4 7l2 2.5 4-5",
    "paused": "M4 1v12M10 1v12",
    "silent": "M7 1L13.5 13H.5zM7 5v4",
    "dead": "M2 2l10 10M12 2L2 12",
}


def draw(stages: Sequence[StageReading], event: str, moved: Sequence[bool] = (), columns: int = 4) -> str:
    """Return the path as SVG. `moved` tells which arrows (the first is before Redis) show something under way.

    In fewer than four `columns` it runs back and forth, and fits a narrow place without smaller letters.
    """
    corners = [_corner(position, columns) for position in range(len(stages))]
    placed = zip(corners, stages, strict=True)
    parts = [f'<g transform="translate{corner}">{_box(stage)}</g>' for corner, stage in placed]
    for position, ends in enumerate(zip(pairwise(corners), pairwise(stages), strict=True)):
        parts.append(_arrow(*ends, moving=position < len(moved) and moved[position]))
    title = f"user_events{{event=&quot;{escape(event)}&quot;}} on its way"
    wide, tall = max(columns * (_BOX + _GAP) - _GAP + 18, _TITLE), HEIGHT + _DOWN * (len(stages) // columns - 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lk-svg" viewBox="0 0 {wide} {tall}" '
        f'width="100%" style="max-width:{wide}px" role="img" aria-label="{escape(describe(stages))}">'
        f"<style>{STYLE}</style>"
        f'<text x="2" y="18">{title}</text>{"".join(parts)}</svg>'
    )


def _corner(position: int, columns: int) -> Point:
    """Where a stage is: every other row runs backwards, so that its first stage is below the last one above."""
    row, column = divmod(position, columns)
    return (column if row % 2 == 0 else columns - 1 - column) * (_BOX + _GAP), row * _DOWN


def describe(stages: Sequence[StageReading]) -> str:
    """Say in words what the picture shows."""
    said = {one.service: filter(None, (one.state, _value(one), _age(one), _retry(one))) for one in stages}
    return "; ".join(f"{NAMES[service]}: {', '.join(parts)}" for service, parts in said.items())


def _box(stage: StageReading) -> str:
    x, state, retry = 1.5, escape(stage.state), _retry(stage)
    mark = f'<path class="lk-mark lk-{state}" d="{_MARKS[stage.state]}"/>'
    return (
        f'<g data-stage="{stage.service}" data-state="{state}"><rect class="lk-{state}" x="{x}" y="{_TOP}" '
        f'width="{_BOX}" height="{_TALL}" rx="8"/>'
        f'<text class="lk-name" x="{x + 12}" y="{_TOP + 24}">{NAMES[stage.service]}</text>'
        f'<g transform="translate({x + 12} {_TOP + 35})">{mark}</g>'
        f'<text x="{x + 33}" y="{_TOP + 47}">{state}</text>'
        f'<text class="lk-value" x="{x + 12}" y="{_TOP + 82}">{_value(stage)}</text>'
        f'<text class="lk-soft" x="{x + 12}" y="{_TOP + 107}">{_age(stage)}</text>'
        f'<text class="{"lk-news" if retry else "lk-soft"}" x="{x + 12}" y="{_TOP + _TALL + 19}">'
        f"{retry or SAYS[stage.service]}</text></g>"
    )


def _arrow(corners: tuple[Point, ...], stages: tuple[StageReading, ...], *, moving: bool) -> str:
    """The arrow between two stages, to the right, to the left, or down."""
    before, after = stages
    start, turn, long = _course(*corners)
    # Prometheus and the sidecar fetch: what they fetch from must answer, and so must they.
    cut = "" if before.state == after.state == "answering" else " lk-cut"
    dot = f'<circle class="lk-dot" r="5" cx="{long}"><animate attributeName="cx" from="0" to="{long}" '
    dot += 'dur="0.9s" fill="freeze"/><animate attributeName="opacity" from="1" to="0" begin="0.7s" dur="0.2s" '
    dot += 'fill="freeze"/></circle>'
    return (
        f'<g transform="translate{start} rotate({turn})"><path class="lk-arrow{cut}" d="M0 0H{long}"/>'
        f'<path class="lk-arrow" d="M{long - 7} -6l7 6-7 6"/>{dot if moving and not cut else ""}</g>'
        f"{_under_way(min(corners), before, after, down=turn == _DOWNWARDS)}"
    )


def _course(start: Point, end: Point) -> tuple[Point, int, int]:
    """Where an arrow starts, its turn in degrees, and its length."""
    (x, y), (to_x, to_y) = start, end
    if y != to_y:
        return (x + _BOX // 2, y + _TOP + _TALL + 27), _DOWNWARDS, _DOWN - _TALL - 32
    return (x + _BOX + 5, y + _MIDDLE) if to_x > x else (x - 3, y + _MIDDLE), 0 if to_x > x else 180, _GAP - 9


def _under_way(corner: Point, before: StageReading, after: StageReading, *, down: bool) -> str:
    """How many are under way: above and below an arrow to the side, beside one that goes down."""
    missing = _missing(before, after)
    gap, way = ("?", "") if missing is None else (f"{missing:,.0f}", "to come")
    (x, y), look = corner, 'class="lk-soft" text-anchor="middle"'
    if down:
        told = f'<tspan data-gap="{after.service}">{gap}</tspan> {way}'
        return f'<text {look} x="{x + _BOX // 2 + 52}" y="{y + _TOP + _TALL + 43}">{told}</text>'
    middle = x + _BOX + _GAP / 2
    return (
        f'<text {look} data-gap="{after.service}" x="{middle}" y="{y + _MIDDLE - 14}">{gap}</text>'
        f'<text {look} x="{middle}" y="{y + _MIDDLE + 22}">{way}</text>'
    )


def _missing(before: StageReading, after: StageReading) -> float | None:
    """How many are under way; None if unknown, as when a stage was restarted and the one after it holds more."""
    known = before.value is not None and after.value is not None and before.value >= after.value
    return (before.value or 0) - (after.value or 0) if known else None


def _retry(stage: StageReading) -> str:
    # At least 1: "in 0 s" would look like an error.
    return "" if stage.tries_in is None else f"tries Redis again in {max(1, ceil(stage.tries_in))} s"


def _value(stage: StageReading) -> str:
    return "no value" if stage.value is None else f"{stage.value:,.0f}"


def _age(stage: StageReading) -> str:
    if stage.value is None:
        return "none was seen" if stage.last is None else f"last seen: {stage.last:,.0f}"
    if stage.age is None:
        return "age unknown"
    return "now" if stage.service == "store" else f"{stage.age:,.1f} s old"
