"""The path as a picture: SVG that needs nothing else, so that it also shows where no widget runs.

A state is told by a shape and a word; its colour only helps. Colours are Okabe and Ito's.
"""

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from math import ceil

from labkit.control_panel.path import Stage

NAMES = {"store": "Application", "redis": "Redis", "sidecar": "Sidecar", "prometheus": "Prometheus"}
SAYS = {
    "store": "its ledger, since its start",
    "redis": "the key's JSON",
    "sidecar": "its page",
    "prometheus": "instant query",
}
WIDTH, HEIGHT = 940, 190
_BOX, _GAP, _TOP, _TALL = 178, 70, 34, 122

# Outside a notebook's page there are no --jp-* variables, and the second value counts: on light pages and dark ones.
STYLE = """
.lk-svg { --ok: #009E73; --odd: #D55E00; --hold: #0072B2;
  font-family: var(--jp-ui-font-family, system-ui, sans-serif); }
.lk-svg text { fill: var(--jp-ui-font-color1, #6E7379); font-size: 14px; }
.lk-svg .lk-soft { fill: var(--jp-ui-font-color2, #6E7379); font-size: 13px; }
.lk-svg .lk-name { font-weight: 600; font-size: 16px; }
.lk-svg .lk-value { font-weight: 600; font-size: 26px; font-variant-numeric: tabular-nums; }
.lk-svg rect { fill: none; stroke-width: 2.5; }
.lk-svg .lk-answering { stroke: var(--ok); } .lk-svg .lk-paused { stroke: var(--hold); stroke-dasharray: 9 4; }
.lk-svg .lk-silent { stroke: var(--odd); stroke-dasharray: 9 4; }
.lk-svg .lk-dead { stroke: var(--odd); stroke-dasharray: 2 5; }
.lk-svg .lk-mark { fill: none; stroke-width: 3; stroke-dasharray: none; }
.lk-svg .lk-arrow { stroke: var(--jp-ui-font-color2, #6E7379); stroke-width: 2; fill: none; }
.lk-svg .lk-cut { stroke-dasharray: 3 6; }
.lk-svg .lk-dot { fill: var(--ok); }
@media (prefers-reduced-motion: reduce) { .lk-svg .lk-dot { display: none; } }
"""
# A ring, two bars, a question mark without its dot, a cross: 14 by 14, from the corner at the top left.
_MARKS = {
    "answering": "M7 1a6 6 0 1 0 .01 0M4 7l2 2.5 4-5",
    "paused": "M4 1v12M10 1v12",
    "silent": "M7 1L13.5 13H.5zM7 5v4",
    "dead": "M2 2l10 10M12 2L2 12",
}


def draw(stages: Sequence[Stage], event: str, moved: Sequence[bool] = ()) -> str:
    """Return the path as SVG. `moved` tells which arrows (the first is before Redis) show something under way."""
    parts = [_box(position, stage) for position, stage in enumerate(stages)]
    for position, (before, after) in enumerate(pairwise(stages)):
        parts.append(_arrow(position, before, after, moving=position < len(moved) and moved[position]))
    title = f"user_events{{event=&quot;{escape(event)}&quot;}} on its way"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lk-svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" '
        f'style="max-width:{WIDTH}px" role="img" aria-label="{escape(describe(stages))}"><style>{STYLE}</style>'
        f'<text x="2" y="18">{title}</text>{"".join(parts)}</svg>'
    )


def describe(stages: Sequence[Stage]) -> str:
    """Say in words what the picture shows."""
    return "; ".join(f"{NAMES[one.service]}: {one.state}, {_value(one)}, {_age(one)}{_retry(one)}" for one in stages)


def _box(position: int, stage: Stage) -> str:
    x = 1.5 + position * (_BOX + _GAP)
    state = escape(stage.state)
    mark = f'<path class="lk-mark lk-{state}" d="{_MARKS[stage.state]}"/>'
    return (
        f'<g data-stage="{stage.service}" data-state="{state}"><rect class="lk-{state}" x="{x}" y="{_TOP}" '
        f'width="{_BOX}" height="{_TALL}" rx="8"/>'
        f'<text class="lk-name" x="{x + 12}" y="{_TOP + 24}">{NAMES[stage.service]}</text>'
        f'<g transform="translate({x + 12} {_TOP + 35})">{mark}</g>'
        f'<text x="{x + 33}" y="{_TOP + 47}">{state}</text>'
        f'<text class="lk-value" x="{x + 12}" y="{_TOP + 82}">{_value(stage)}</text>'
        f'<text class="lk-soft" x="{x + 12}" y="{_TOP + 107}">{_age(stage)}</text>'
        f'<text class="lk-soft" x="{x + 12}" y="{_TOP + _TALL + 19}">{_says(stage)}</text></g>'
    )


def _arrow(position: int, before: Stage, after: Stage, *, moving: bool) -> str:
    start, y = (position + 1) * (_BOX + _GAP) - _GAP + 5, _TOP + _TALL // 2
    end = start + _GAP - 9
    # Prometheus and the sidecar fetch: what they fetch from must answer, and so must they.
    cut = "" if before.state == after.state == "answering" else " lk-cut"
    dot = f'<circle class="lk-dot" cy="{y}" r="5" cx="{end}"><animate attributeName="cx" from="{start}" to="{end}" '
    dot += 'dur="0.9s" fill="freeze"/><animate attributeName="opacity" from="1" to="0" begin="0.7s" dur="0.2s" '
    dot += 'fill="freeze"/></circle>'
    return (
        f'<path class="lk-arrow{cut}" d="M{start} {y}H{end}"/><path class="lk-arrow" d="M{end - 7} {y - 6}l7 6-7 6"/>'
        f"{dot if moving and not cut else ''}"
        f'<text class="lk-soft" data-gap="{after.service}" text-anchor="middle" x="{(start + end) / 2}" y="{y - 14}">'
        f"{_gap(before, after)}</text>"
        f'<text class="lk-soft" text-anchor="middle" x="{(start + end) / 2}" y="{y + 22}">{_way(before, after)}</text>'
    )


def _gap(before: Stage, after: Stage) -> str:
    missing = _missing(before, after)
    return "?" if missing is None else f"{missing:,.0f}"


def _way(before: Stage, after: Stage) -> str:
    return "" if _missing(before, after) is None else "to come"


def _missing(before: Stage, after: Stage) -> float | None:
    """How many are under way; nobody knows, if one was started anew and the other remembers more."""
    known = before.value is not None and after.value is not None and before.value >= after.value
    return (before.value or 0) - (after.value or 0) if known else None


def _says(stage: Stage) -> str:
    return SAYS[stage.service] if stage.tries_in is None else _retry(stage).removeprefix(", ")


def _retry(stage: Stage) -> str:
    # Nobody who watches a second pass wants to read of none.
    return "" if stage.tries_in is None else f", tries Redis again in {max(1, ceil(stage.tries_in))} s"


def _value(stage: Stage) -> str:
    return "no value" if stage.value is None else f"{stage.value:,.0f}"


def _age(stage: Stage) -> str:
    if stage.value is None:
        return "none was seen" if stage.last is None else f"last seen: {stage.last:,.0f}"
    if stage.age is None:
        return "age unknown"
    return "now" if stage.service == "store" else f"{stage.age:,.1f} s old"
