"""Notebook 02: a series that is written by hand, and the mean of a histogram."""

import json
from math import isclose
from statistics import median
from typing import Any

from redis import Redis

from labkit.notebook.exercises.checks import Checks, exercise
from labkit.notebook.exercises.reading import NotAnAnswer, number
from labkit.notebook.exercises.verdict import Verdict, plain, right, wrong

_BY_HAND, _TOOK = "metrics:gauge:lab_by_hand", "metrics:histogram:lab_took_ms"
_WANTED, _LIFE = 42, 60


class InRedis(Checks):
    """The exercises of notebook 02."""

    notebook = "02-redis"

    @exercise(
        "A key is `metrics:<kind>:<name>`, and its text is JSON with a field `value`; section 3 shows that of a gauge.",
        "`json.dumps` makes JSON of a dict, and `server.set(key, text, ex=seconds)` gives it a time to live.",
    )
    def by_hand(self, answer: object) -> Verdict:
        """What does the series hold that you have set?"""
        with self._redis() as server:
            fault = _fault_of_key(server) or _fault_of_value(_text(server, _BY_HAND))
            life = server.ttl(_BY_HAND)
        if fault:
            return wrong(fault)
        if not 0 < int(str(life)) <= _LIFE:
            return wrong(f"It has {_lives(int(str(life)))} to live, not {_LIFE} seconds: `ex=` counts seconds.")
        read = number(_decoded(answer))
        if read != _WANTED:
            return wrong(f"Redis holds {_WANTED} there, but you read {plain(read)}. Which key did you read?")
        return right(f"{plain(read)}, for {life} s more: what a person can read, a person can write.")

    @exercise(
        "A mean is what was observed in all, divided by how often. The JSON of a histogram has `bounds`, `counts`, "
        "`sum` and `count`.",
        f"`held = json.loads(server.get('{_TOOK}'))`; how often is `held['count']`, or the sum of `held['counts']`.",
    )
    def mean(self, answer: object) -> Verdict:
        """What was the mean time to answer?"""
        found = number(answer)
        with self._redis() as server:
            held = json.loads(_text(server, _TOOK) or "{}")
        if not held:
            return wrong(f"There is no `{_TOOK}` in Redis; run section 1 again.")
        mean = held["sum"] / held["count"]
        if isclose(found, mean, rel_tol=0.005):
            return right(f"{plain(found)} ms: the sum divided by the count. Most answers were nowhere near it.")
        return wrong(_no_mean(found, held))


def _fault_of_key(server: Redis) -> str:
    kind = str(server.type(_BY_HAND), "utf-8")  # type: ignore[arg-type]  # the client decodes nothing
    if kind == "string":
        return ""
    if kind != "none":
        return f"`{_BY_HAND}` is a {kind}; a series is text. `DEL` it, and `SET` makes one."
    near = [key.decode() for key in server.scan_iter("*by_hand*")]
    if near:
        return f"There is `{near[0]}`, but the key of a series is `metrics:<kind>:<name>`: `{_BY_HAND}`."
    return f"Redis has no `{_BY_HAND}`, or not any more: it has {_LIFE} seconds to live. Set it, and check at once."


def _fault_of_value(text: str) -> str:
    try:
        held = json.loads(text)
    except ValueError:
        quotes = " JSON has double quotes." if "'" in text else ""
        return f"It holds `{text}`, which is no JSON.{quotes} `json.dumps` makes it of a dict."
    if not isinstance(held, dict) or "value" not in held:
        return f"It holds `{text}`. A series is an object with a field `value`, as in section 3."
    if held["value"] == str(_WANTED):
        return f"Its value is text, `{json.dumps(held['value'])}`; a number has no quotes."
    return "" if held["value"] == _WANTED else f"Its value is `{json.dumps(held['value'])}`, not {_WANTED}."


def _decoded(answer: object) -> object:
    """The value in an answer that is the whole JSON; any other answer as it is."""
    try:
        held = json.loads(answer) if isinstance(answer, str | bytes) else answer
    except ValueError:
        raise NotAnAnswer(f"`{answer!r}` is neither the value nor the JSON that Redis holds.") from None
    return held["value"] if isinstance(held, dict) and "value" in held else held


def _no_mean(found: float, held: dict[str, Any]) -> str:
    total, count, bounds = held["sum"], held["count"], held["bounds"]
    # Told apart by what was done to get there.
    known = {
        total: "is the *sum*, of all observations. Of how many?",
        count: "is *how many* there were. How long did they take together?",
        total / len(bounds): "is the sum divided by the number of *bounds*; there is one more bucket than bounds.",
        total / len(held["counts"]): "is the sum divided by the number of *buckets*. How many were observed?",
        count / len(held["counts"]): "is the mean of the *counts*: observations in a bucket, no milliseconds.",
        sum(bounds) / len(bounds): "is the mean of the *bounds*, which nobody had to wait for.",
        count / total: "is upside down: observations for each millisecond.",
        median((3, 7, 7, 400)): "is the *median*, which describes these four better. But the mean was asked.",
    }
    near = [text for value, text in known.items() if isclose(found, value, rel_tol=1e-3)]
    return f"{plain(found)} {near[0] if near else 'is not what two of its numbers give. Which two do you need?'}"


def _text(server: Redis, key: str) -> str:
    held = server.get(key)
    return held.decode() if isinstance(held, bytes) else ""


def _lives(seconds: int) -> str:
    return f"{seconds} seconds" if seconds >= 0 else "for ever"
