"""Several labs of one user: each notebook's own, found again, ended by whom it belongs to, or all together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from labkit.errors import StackError
from labkit.stack import Stack, processes
from labkit.stack.services import SUPERVISOR
from labkit.stack.session import NOTEBOOK

OPTIONS: dict[str, Any] = {"ports": "auto", "scrape_interval": 1, "flush_interval": 1}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """An empty home; whatever a failing test leaves running there is ended."""
    yield tmp_path
    Stack.clear_all(tmp_path)
    assert processes.of_lab(tmp_path) == []


@pytest.fixture
def working_on(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Say which notebook is at work from now on."""
    return lambda path: monkeypatch.setenv(NOTEBOOK, path)


def test_each_notebook_has_its_own(home: Path, working_on: Any) -> None:
    """Two of the same name, too; each finds its own again, and only that ends by its `down`."""
    working_on("/monday/talk.ipynb")
    first = Stack.up(home=home, **OPTIONS)
    working_on("/tuesday/talk.ipynb")
    second = Stack.up(home=home, **OPTIONS)
    assert (first.name, second.name) == ("talk", "talk-2")
    assert set(first.urls.values()).isdisjoint(second.urls.values())
    with pytest.raises(StackError, match=r"'talk' was started by /monday/talk.ipynb.*labkit down --name talk"):
        Stack.attach(home, name="talk").down()
    working_on("/monday/talk.ipynb")
    assert Stack.attach(home).name == "talk"
    assert Stack.up(home=home, **OPTIONS).urls == first.urls
    Stack.attach(home).down()
    assert [stack.name for stack in Stack.all(home)] == ["talk-2"]
    assert second.state() == "answering"


def test_who_has_none_gets_the_one_started_last(home: Path, working_on: Any) -> None:
    """Of those that run; one whose supervisor is gone is only looked at if there is no other."""
    first = Stack.up(home=home, name="first", **OPTIONS)
    Stack.up(home=home, name="last", **OPTIONS)
    working_on("/somewhere/reader.ipynb")
    assert Stack.attach(home).name == "last"
    processes.end(processes.of_lab(home / ".labkit/last", SUPERVISOR), grace=0)
    assert Stack.attach(home).name == "first"
    with Stack.attach(home):
        pass  # whose it is not, does not end it
    assert first.state() == "answering"
    assert sorted(Stack.clear_all(home)) == ["first", "last"]
    assert Stack.running(home) is None


def test_a_fresh_lab_is_empty(home: Path) -> None:
    """Whatever ran under its name before, with whatever options; without it, what runs is taken as it is."""
    stack = Stack.up(home=home, **OPTIONS)
    with redis.Redis.from_url(stack.urls["redis"]) as client:
        client.set("mine", "1")
    assert Stack.up(home=home, **OPTIONS).status() == stack.status()
    stack = Stack.up(home=home, fresh=True, **OPTIONS)
    with redis.Redis.from_url(stack.urls["redis"]) as client:
        assert client.get("mine") is None
    with Stack.up(home=home, fresh=True, **OPTIONS | {"sidecar": "redis_exporter"}) as stack:
        assert stack.options.sidecar == "redis_exporter"
