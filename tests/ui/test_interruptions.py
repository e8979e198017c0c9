"""The stop button: a cell that is interrupted leaves everything running, or nothing, and the next cell works."""

from collections.abc import Iterator

import pytest

from labkit import Stack
from labkit.stack import processes
from tests.kernel import Notebook

UP = "stack = Stack.up(ports='auto', scrape_interval=0.5, flush_interval=0.5)"
WELL = "assert {row.state for row in stack.status()} == {'answering'}, stack"
IMPORTS = """
import time
from pathlib import Path
from labkit import Prometheus, Stack
from labkit.notebook.report import report
from labkit.traffic import run as traffic
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """A notebook with the imports done."""
    notebook = Notebook(tmp_path_factory.mktemp("home"))
    notebook.run(IMPORTS)
    yield notebook
    notebook.close()
    Stack.clear(notebook.home)


@pytest.fixture
def lab(notebook: Notebook) -> Notebook:
    """A notebook with a running lab."""
    notebook.run(UP)
    return notebook


@pytest.mark.parametrize("file", ["lock", "state.json", "supervisord.conf", "supervisord.pid", "logs/prometheus.log"])
def test_an_interrupted_start_leaves_nothing(notebook: Notebook, file: str) -> None:
    """However far it had got: no process stays, and the next cell starts the lab."""
    Stack.clear(notebook.home)
    outcome = notebook.interrupt(UP, (notebook.home / ".labkit/notebook" / file).exists)
    assert outcome.error == "KeyboardInterrupt"
    assert processes.of_lab(notebook.home) == []
    notebook.run(UP)
    notebook.run(WELL)


def test_an_interrupted_end_is_finished(lab: Notebook) -> None:
    """Hurried, but complete: no process and no file stays, and the next cell starts a new lab."""
    store = processes.of_lab(lab.home, "store")
    lab.interrupt("stack.down()", lambda: not any(process.is_running() for process in store))
    assert processes.of_lab(lab.home) == []
    assert not (lab.home / ".labkit").exists()
    lab.run(UP)
    lab.run(WELL)


def test_interrupted_traffic_stops(lab: Notebook) -> None:
    """No load generator keeps sending; the store answers, and takes traffic again."""
    begun = lambda: any("locustfile" in command for command in lab.children())  # noqa: E731
    outcome = lab.interrupt("traffic.drive(stack.urls['store'], rate=20, duration=60)", begun)
    assert outcome.error == "KeyboardInterrupt"
    assert lab.children() == []
    lab.run("assert traffic.drive(stack.urls['store'], rate=20, duration=1).failures == 0")


def test_an_interrupted_wait_leaves_the_client_usable(lab: Notebook) -> None:
    """A query that waits for what never comes; the next one is answered."""
    # The first query imports its client: an interrupt in the middle of somebody else's import may get lost there.
    lab.run("prometheus = Prometheus(stack.urls['prometheus'])\nprometheus.query('vector(1)')")
    waiting = "Path('waiting').touch()\nprometheus.wait_until('never_recorded')"
    assert lab.interrupt(waiting, (lab.home / "waiting").exists).error == "KeyboardInterrupt"
    lab.run("assert prometheus.query('vector(1)')['value'].item() == 1")


@pytest.mark.parametrize("fault", ["paused", "stopped"])
def test_an_interrupted_outage_is_mended(lab: Notebook, fault: str) -> None:
    """The block around a fault gives the service back, and its data with it."""
    broken = f"with stack.{fault}('redis'):\n    Path('{fault}').touch()\n    time.sleep(60)"
    assert lab.interrupt(broken, (lab.home / fault).exists).error == "KeyboardInterrupt"
    lab.run(WELL)


def test_what_is_on_its_way_out_is_awaited_before_it_is_started(lab: Notebook) -> None:
    """A store whose Redis hangs takes seconds to end; nobody waits for it, and it is started again."""
    lab.run("stack.pause('redis')")
    ending = "Path('ending').touch()\nstack.stop('store')"
    assert lab.interrupt(ending, (lab.home / "ending").exists).error == "KeyboardInterrupt"
    lab.run("stack.start('store')\nstack.resume('redis')")
    lab.run(WELL)


def test_interrupted_customers_come_again(lab: Notebook) -> None:
    """Locust is starting in the background when the button is pressed: it can be started again, and ended."""
    log = lab.home / ".labkit/notebook/run/locust"
    assert lab.interrupt("stack.start_traffic(rate=5)", log.exists).error == "KeyboardInterrupt"
    lab.run("stack.start_traffic(rate=5)")
    lab.run(WELL)
    ending = lab.interrupt("stack.stop_traffic()", lambda: True)
    assert ending.error in ("KeyboardInterrupt", "")
    lab.run("stack.stop_traffic()\nstack.start_traffic(rate=5)\nstack.stop_traffic()")
    lab.run("assert 'locust' not in stack.urls")


@pytest.mark.parametrize("moment", ["labkit.notebook.report.execution", "ipykernel_launcher"])
def test_an_interrupted_report_leaves_no_kernel(lab: Notebook, moment: str) -> None:
    """Neither while its process starts nor while its cells run, nor a lab of its own; this notebook's keeps running."""
    seen = lambda: any(moment in command for command in lab.children())  # noqa: E731
    outcome = lab.interrupt("report.run(report.find('04'), output=Path('report.html'))", seen)
    assert outcome.error == "KeyboardInterrupt"
    assert lab.children() == []
    assert not (lab.home / "report.html").exists()
    assert [stack.name for stack in Stack.all(lab.home)] == ["notebook"]
    lab.run(WELL)
