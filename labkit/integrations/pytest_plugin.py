"""Fixtures for users' tests: the real lab, its Redis and its Prometheus. pytest loads them automatically.

`labkit_stack`       the lab: one per session, in a home of its own, on free ports
`labkit_redis`       a client of its Redis
`labkit_prometheus`  the queries of its Prometheus, with `wait_until`
`labkit_options`     what the lab is started with: settings from pytest's ini file; override it for more

With pytest-xdist each worker has a lab of its own. The report of a failed test shows the state of the services, with
the end of the log of each that did not answer.

Where labkit is installed, every run of pytest imports this module, so the fixtures do the heavy imports.
"""

import os
from collections.abc import Generator, Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from labkit.stack.options import Options, option

if TYPE_CHECKING:
    from pathlib import Path

    import redis

    from labkit import Prometheus, Stack

LOG_LINES = 20

# Settings in pytest's ini file, each an option of `Stack.up`, and their defaults: tests do not want to wait.
SETTINGS = {field.name: field.default for field in fields(Options) if field.name != "ports"}
SETTINGS |= {"scrape_interval": 1.0, "flush_interval": 1.0}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Read the settings `labkit_scrape_interval` and the like from the ini file."""
    for name, default in SETTINGS.items():
        about = f"the lab of the fixture labkit_stack: {option(name).metadata['meaning']}"
        # A table [tool.pytest] has numbers, from pytest 9; before that there are only texts, and once no such type.
        if isinstance(default, float) and pytest.version_tuple >= (9,):
            parser.addini(f"labkit_{name}", about, type="float", default=default)
        else:
            parser.addini(f"labkit_{name}", about, default=str(default))


@pytest.fixture(scope="session")
def labkit_options(pytestconfig: pytest.Config) -> dict[str, Any]:
    """Options of `Stack.up` for the session's lab, from the ini file. Override this fixture to compute them."""
    return {name: _setting(pytestconfig, name, type(default)) for name, default in SETTINGS.items()}


@pytest.fixture(scope="session")
def labkit_stack(labkit_options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Stack]":
    """A running lab: Redis, the store, the sidecar and Prometheus, which end with the session.

    It has a home and free ports of its own, so it disturbs no other lab. While it runs, LABKIT_HOME is its home:
    notebooks and programs that a test starts find it with `Stack.attach()`. A test that breaks a service should restore
    it: use `with labkit_stack.stopped("redis"):` or `.paused`.
    """
    home = tmp_path_factory.mktemp("labkit")
    with pytest.MonkeyPatch.context() as patch, _up(home, labkit_options) as stack:
        patch.setenv("LABKIT_HOME", os.fspath(home))
        yield stack


@pytest.fixture
def labkit_redis(labkit_stack: "Stack") -> "Iterator[redis.Redis]":
    """A client of the lab's Redis, closed after the test; replies are text.

    Its data stays from test to test, as in real life: count what a test adds, or give it a label of its own.
    """
    import redis

    with redis.Redis.from_url(labkit_stack.urls["redis"], decode_responses=True, socket_timeout=10) as client:
        yield client


@pytest.fixture(scope="session")
def labkit_prometheus(labkit_stack: "Stack") -> "Prometheus":
    """Queries to the lab's Prometheus: `query`, `query_range`, and `wait_until` for what is on its way."""
    from labkit import Prometheus

    return Prometheus(labkit_stack.urls["prometheus"])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the state of the lab to the report of a failed test that uses it."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("labkit_stack")
    if report.failed and stack:
        report.sections.append(("labkit", _how(stack)))
    return report


def _up(home: "Path", options: dict[str, Any]) -> "Stack":
    from labkit.errors import LabkitError

    try:
        from labkit import Stack

        return Stack.up(ports="auto", home=home, **options)
    except LabkitError as error:
        fault = error
    pytest.fail(f"The lab did not start. {fault}", pytrace=False)


def _how(stack: "Stack") -> str:
    from labkit.errors import LabkitError

    try:
        rows = stack.status()
    except LabkitError as error:
        return str(error)
    logs = [
        f"The end of {row.service}'s log:\n{stack.logs(row.service, LOG_LINES)}"
        for row in rows
        if row.state != "answering"
    ]
    return "\n".join([", ".join(f"{row.service} {row.state}" for row in rows), *logs])


def _setting(config: pytest.Config, name: str, kind: type) -> object:
    try:
        return kind(config.getini(f"labkit_{name}"))
    except (ValueError, pytest.UsageError) as error:
        fault = error
    pytest.fail(f"labkit_{name} in pytest's configuration is not a number: {fault}.", pytrace=False)
