"""The rules of grafana/dashboard-linter, by their names there, over the JSON of a dashboard.

Each takes a dashboard and returns what is wrong with it. Rules about panels apply to every panel here, and not only to
the types the linter knows. Its two rules about LogQL do not apply: there is no Loki.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import promql_parser as promql

Json = dict[str, Any]

# Of the units that the linter knows, those we use.
UNITS = {"short", "ms", "s", "percentunit", "reqps", "cps"}
RATES = {"rate", "irate", "increase"}
# An unusual time, to be found again in the parsed query.
RATE_INTERVAL = timedelta(seconds=7919)


def panels(dashboard: Json) -> list[Json]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def targets(dashboard: Json) -> list[Json]:
    return [target for panel in panels(dashboard) for target in panel["targets"]]


def variables(dashboard: Json, kind: str) -> list[Json]:
    return [variable for variable in dashboard["templating"]["list"] if variable["type"] == kind]


def parse(expression: str) -> Any:
    """The query as a tree; `$job` and the like stay, because they are in quotes."""
    return promql.parse(expression.replace("$__rate_interval", f"{RATE_INTERVAL.seconds}s"))


def nodes(expression: str) -> list[Any]:
    found: list[Any] = []
    promql.walk(parse(expression), found.append)
    return found


def selectors(expression: str) -> list[Any]:
    return [node for node in nodes(expression) if isinstance(node, promql.VectorSelector)]


def template_datasource(dashboard: Json) -> Iterator[str]:
    found = [(one["name"], one["label"], one["query"]) for one in variables(dashboard, "datasource")]
    if found != [("datasource", "Data source", "prometheus")]:
        yield f"the data source variables are {found}"


def _template(dashboard: Json, name: str) -> Iterator[str]:
    found = [one for one in variables(dashboard, "query") if one["name"] == name]
    if len(found) != 1:
        yield f"there are {len(found)} variables {name}"
    for one in found:
        if one["datasource"]["uid"] != "${datasource}" or one["label"] != name.title():
            yield f"{name} has another data source or label"
        if not one["multi"] or one["allValue"] != ".+":
            yield f"{name} does not take several values, or all of them"


def template_job(dashboard: Json) -> Iterator[str]:
    yield from _template(dashboard, "job")


def template_instance(dashboard: Json) -> Iterator[str]:
    yield from _template(dashboard, "instance")


def template_label_promql(dashboard: Json) -> Iterator[str]:
    for one in variables(dashboard, "query"):
        match = re.fullmatch(r"label_values\((.+), \w+\)", one["query"]["query"])
        if not match or not _valid(match[1]):
            yield f"{one['name']} asks for {one['query']['query']}"


def template_on_time_change_reload(dashboard: Json) -> Iterator[str]:
    yield from (one["name"] for one in variables(dashboard, "query") if one["refresh"] != 2)


def panel_datasource(dashboard: Json) -> Iterator[str]:
    for one in [*panels(dashboard), *targets(dashboard)]:
        if one["datasource"] != {"type": "prometheus", "uid": "${datasource}"}:
            yield f"{one.get('title', one.get('expr'))} has another data source"


def panel_title_description(dashboard: Json) -> Iterator[str]:
    yield from (f"{one['id']}" for one in panels(dashboard) if not (one.get("title") and one.get("description")))


def panel_units(dashboard: Json) -> Iterator[str]:
    yield from (one["title"] for one in panels(dashboard) if one["fieldConfig"]["defaults"].get("unit") not in UNITS)


def panel_no_targets(dashboard: Json) -> Iterator[str]:
    yield from (one["title"] for one in panels(dashboard) if not one["targets"])


def target_promql(dashboard: Json) -> Iterator[str]:
    yield from (one["expr"] for one in targets(dashboard) if not _valid(one["expr"]))


def _valid(expression: str) -> bool:
    try:
        parse(expression)
    except ValueError:
        return False
    return True


def target_rate_interval(dashboard: Json) -> Iterator[str]:
    for one in targets(dashboard):
        calls = [node for node in nodes(one["expr"]) if isinstance(node, promql.Call) and node.func.name in RATES]
        if any(call.args[0].range != RATE_INTERVAL for call in calls):
            yield one["expr"]


def _matcher(dashboard: Json, name: str) -> Iterator[str]:
    for one in targets(dashboard):
        for selector in selectors(one["expr"]):
            found = [str(each) for each in selector.matchers.matchers if each.name == name]
            if found != [f'{name}=~"${name}"']:
                yield one["expr"]


def target_job(dashboard: Json) -> Iterator[str]:
    yield from _matcher(dashboard, "job")


def target_instance(dashboard: Json) -> Iterator[str]:
    yield from _matcher(dashboard, "instance")


# The linter recognizes a counter by _total. Ours are exposed as declared, so these are named here as well.
COUNTERS = re.compile(r".*_(total|bucket|count|sum)|user_events|api_errors")


# A gauge, however much it sounds like a counter.
GAUGES = {"users_total"}


def target_counter_agg(dashboard: Json) -> Iterator[str]:
    for one in targets(dashboard):
        calls = [node for node in nodes(one["expr"]) if isinstance(node, promql.Call) and node.func.name in RATES]
        grown = [call.args[0].vector_selector.name for call in calls]
        named = [selector.name for selector in selectors(one["expr"])]
        if sorted(grown) != sorted(name for name in named if COUNTERS.fullmatch(name) and name not in GAUGES):
            yield one["expr"]


def uneditable_dashboard(dashboard: Json) -> Iterator[str]:
    if dashboard["editable"]:
        yield "it can be edited in Grafana, where nobody keeps the change"


RULES = {
    "template-datasource-rule": template_datasource,
    "template-job-rule": template_job,
    "template-instance-rule": template_instance,
    "template-label-promql-rule": template_label_promql,
    "template-on-time-change-reload-rule": template_on_time_change_reload,
    "panel-datasource-rule": panel_datasource,
    "panel-title-description-rule": panel_title_description,
    "panel-units-rule": panel_units,
    "panel-no-targets-rule": panel_no_targets,
    "target-promql-rule": target_promql,
    "target-rate-interval-rule": target_rate_interval,
    "target-job-rule": target_job,
    "target-instance-rule": target_instance,
    "target-counter-agg-rule": target_counter_agg,
    "uneditable-dashboard": uneditable_dashboard,
}
