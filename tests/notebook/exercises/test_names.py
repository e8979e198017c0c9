"""Names that nobody has used yet."""

import json

import pytest
import redis

from labkit.notebook.exercises import names


def test_a_name_is_never_given_twice(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that was returned before, nor one that Redis knows, by whoever's hand."""
    monkeypatch.setattr(names, "_given", set())
    redis_client.set("metrics:counter:lab_names_2", "garbage")
    redis_client.hset("metrics.meta", "lab_names_3", json.dumps({"type": "gauge"}))
    given = [names.fresh(redis_client, "lab_names") for _ in range(3)]
    assert given == ["lab_names", "lab_names_4", "lab_names_5"]
