"""Plot: the panels of the Grafana dashboard, read from its file, with queries ready for Prometheus.

`configs/grafana/dashboards/labkit.json` is the only description of the dashboard; nothing in it is repeated here.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any, Protocol, runtime_checkable

from labkit.errors import QueryError
from labkit.resources import resource

Json = dict[str, Any]

# Grafana's names for units, and how people write them.
_UNITS = {"short": "", "ms": "ms", "s": "s", "percentunit": "%", "reqps": "requests/s", "cps": "/s"}
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}")
# Roughly the points in a figure; more would not be visible.
_POINTS = 300


@dataclass(frozen=True)
class Place:
    """Where a panel is: Grafana's grid has 24 columns, and rows of 30 pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Target:
    """One query of a panel, with Grafana's variables still in it, and how to name its series: `{{label}}`."""

    promql: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One panel of the dashboard.

    `kind` is Grafana's: stat, timeseries, state-timeline, heatmap or bargauge. `unit` is one that `labkit.plot` knows.
    `colors` are by name in the legend, `texts` are names for values, `thresholds` pairs of lower bound and color,
    ascending; `limit` says whether they are lines in the plot; `steps` whether a value holds until the next one.
    """

    title: str
    description: str
    kind: str
    row: str
    place: Place
    unit: str
    decimals: int
    axis: str
    targets: tuple[Target, ...]
    colors: Mapping[str, str]
    texts: Mapping[float, str]
    thresholds: tuple[tuple[float, str], ...]
    limit: bool
    steps: bool

    def color(self, value: float) -> str:
        """Return the color of a value: that of the highest threshold it reaches."""
        return [color for bound, color in self.thresholds if bound <= value][-1]


@runtime_checkable
class HasPanels(Protocol):
    """A dashboard, such as `labkit.dashboard`."""

    def panels(self) -> list[Panel]:
        """Return its panels."""


@dataclass(frozen=True)
class Window:
    """The time range that a dashboard shows, and Prometheus' scrape interval, both in seconds."""

    last: float
    scrape_interval: float

    @property
    def step(self) -> float:
        """Seconds between two points: never less than a scrape interval, and no more points than can be seen."""
        seen = self.last / _POINTS
        return self.scrape_interval if seen <= self.scrape_interval else float(ceil(seen))

    def variables(self) -> dict[str, str]:
        """Return Grafana's own variables. `$__rate_interval` follows its rule: wide enough for four scrapes."""
        rate = max(self.step + self.scrape_interval, 4 * self.scrape_interval)
        values = {"__interval": self.step, "__rate_interval": rate, "__range": self.last}
        return {name: f"{round(value * 1e3)}ms" for name, value in values.items()}


def panels() -> list[Panel]:
    """Return the panels of the dashboard, in the order of its file."""
    row, found = "", []
    for panel in _file()["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        else:
            found.append(_panel(panel, row))
    return found


def defaults() -> dict[str, str]:
    """Return the template variables that the dashboard's queries use, by name, each as the regex for all its values."""
    listed = _file()["templating"]["list"]
    return {variable["name"]: variable["allValue"] for variable in listed if variable["type"] == "query"}


def choose(chosen: Mapping[str, str | Iterable[str]]) -> dict[str, str]:
    """Return the values of all template variables, some of them chosen: one value, or several.

    Raises:
        QueryError: the dashboard has no such variable.
    """
    known = defaults()
    if unknown := set(chosen) - set(known):
        raise QueryError(f"The dashboard has no variable {', '.join(sorted(unknown))}; it has {', '.join(known)}.")
    return known | {name: _regex([value] if isinstance(value, str) else value) for name, value in chosen.items()}


def substitute(promql: str, variables: Mapping[str, str]) -> str:
    """Return a query with `$name` and `${name}` replaced.

    Raises:
        QueryError: it uses a variable that has no value.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in variables:
            raise QueryError(f"{promql}: ${name} is unknown; the variables are {', '.join(variables)}.")
        return variables[name]

    return _VARIABLE.sub(value, promql)


@cache
def _file() -> Json:
    path = resource("configs", "grafana", "dashboards", "labkit.json")
    dashboard: Json = json.loads(path.read_text(encoding="utf-8"))
    return dashboard


def _panel(panel: Json, row: str) -> Panel:
    config, grid = panel["fieldConfig"]["defaults"], panel["gridPos"]
    custom = config.get("custom", {})
    return Panel(
        title=panel["title"],
        description=panel["description"],
        kind=panel["type"],
        row=row,
        place=Place(grid["x"], grid["y"], grid["w"], grid["h"]),
        unit=_UNITS[config["unit"]],
        decimals=config.get("decimals", 0),
        axis=custom.get("axisLabel", ""),
        targets=tuple(Target(target["expr"], target["legendFormat"]) for target in panel["targets"]),
        colors=dict(_color(override) for override in panel["fieldConfig"]["overrides"]),
        texts={
            float(value): text["text"] for each in config.get("mappings", ()) for value, text in each["options"].items()
        },
        thresholds=tuple(_threshold(step) for step in config.get("thresholds", {}).get("steps", ())),
        limit="thresholdsStyle" in custom,
        steps=custom.get("lineInterpolation") == "stepAfter",
    )


def _color(override: Json) -> tuple[str, str]:
    value = next(each["value"] for each in override["properties"] if each["id"] == "color")
    return override["matcher"]["options"], value["fixedColor"]


def _threshold(step: Json) -> tuple[float, str]:
    return float("-inf") if step["value"] is None else step["value"], step["color"]


def _regex(values: Iterable[str]) -> str:
    # It goes into a quoted PromQL string, where a backslash must be doubled.
    return json.dumps("|".join(map(re.escape, values)), ensure_ascii=False)[1:-1]
