"""Forked, spawned and served: each process sends what it recorded, once, and nothing of its parent's."""

import re

import pytest
import redis

from tests.processes.conftest import Start
from tests.writer.test_service import value


def test_forks_during_a_flush(start: Start, redis_client: redis.Redis) -> None:
    """A service made before a fork works in child and grandchild, whatever its flush thread did in that moment."""
    output = start("forks.py").ended()
    assert value(redis_client, "metrics:counter:events") == 5 * (1 + 10 + 100)
    assert value(redis_client, "metrics:counter:made_in_child") == 5 * 2
    assert all(value(redis_client, f"metrics:counter:by_child:child={n}") == 1 for n in range(5))
    forks = re.search(r"during_a_flush=(\d+)", output)
    assert forks
    assert int(forks[1]) > 0


@pytest.mark.usefixtures("shared_memory")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing(start: Start, redis_client: redis.Redis, method: str) -> None:
    """Processes, pools, executors, failed children, their children, interrupted ends, and threads that go on."""
    output = start("children.py", method).ended()
    assert "codes [0, 7, 0, 0]" in output
    where = {"parent": 1000, "process": 1, "failed": 1, "late": 2, "grandchild": 1}
    where |= {"interrupted": 1, "executor": 50, "pool": 50, "terminated": 50}
    assert {name: value(redis_client, f"metrics:counter:events:where={name}") for name in where} == where
    assert value(redis_client, "metrics:counter:own") == 1


@pytest.mark.parametrize("program", ["used_before.py", "first_in_child.py"])
def test_labkit_and_multiprocessing_meet_in_any_order(start: Start, redis_client: redis.Redis, program: str) -> None:
    """It does not matter which of them was imported first, or in which process."""
    start(program).ended()
    assert value(redis_client, "metrics:counter:events") == 11


@pytest.mark.parametrize("noticed_by", ["labels", "flush", "stats"])
def test_a_fork_without_hooks_is_noticed(start: Start, redis_client: redis.Redis, noticed_by: str) -> None:
    """The service starts anew as soon as it is called, and says so; what waited stays the parent's."""
    output = start("forked_in_c.py", noticed_by).ended()
    assert output.count("another process, forked without Python's hooks") == 1
    assert value(redis_client, "metrics:counter:events:where=parent") == 1
    assert value(redis_client, "metrics:counter:events:where=child") == 10
