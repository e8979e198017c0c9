"""Typing a query: what Prometheus knows is offered by JupyterLab's own completer."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Locator, expect
from playwright.sync_api import TimeoutError as NotShownError

from harness.notebook_page import SCREENSHOTS, NotebookPage
from labkit import Prometheus, Stack
from labkit.traffic.run import drive
from tests.browser.conftest import OpenNotebook

START = "import os\nos.environ['LABKIT_HOME'] = {home!r}\n%load_ext labkit"
# JupyterLab gives a kernel one second to answer, which a busy machine may not have.
TRIES = 6


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A lab whose store had visitors, in a home of its own."""
    home = tmp_path_factory.mktemp("lab")
    with Stack.up(home=home, ports="auto", scrape_interval=1, flush_interval=1) as stack:
        drive(stack.urls["store"], rate=30, duration=3)
        Prometheus(stack.urls["prometheus"]).wait_until("user_events")
        yield stack


@pytest.fixture
def notebook(open_notebook: OpenNotebook, lab: Stack) -> NotebookPage:
    """A notebook with the magics loaded, and an empty cell."""
    opened = open_notebook(START.format(home=str(lab.home)), "")
    opened.run(0)
    return opened


def _complete(notebook: NotebookPage, text: str) -> Locator:
    """Type into the empty cell and press Tab until something is offered; return the first offer."""
    notebook.cell(1).locator(".cm-content").click()
    notebook.page.keyboard.type(text)
    offer = notebook.page.locator(".jp-Completer-item").first
    for _ in range(TRIES):
        notebook.page.keyboard.press("Tab")
        with suppress(NotShownError):
            offer.wait_for(timeout=5000)
            return offer
    raise AssertionError(f"Nothing was offered in {TRIES} tries.")


@pytest.mark.parametrize(
    ("typed", "offered", "completed"),
    [
        ("%promql user_ev", "user_events", "%promql user_events"),
        ('%%promql\nrate(user_events{event="jo', "joined", 'rate(user_events{event="joined'),
        ("%%promql\nsum by (ev", "event", "sum by (event"),
        ("%promql user_events --la", "--last", "%promql user_events --last"),
        ("%redis TTL metrics:gauge:users_act", "users_active", "%redis TTL metrics:gauge:users_active:service=store"),
        ("labkit.live('sum(user_ev", "user_events", "labkit.live('sum(user_events"),
    ],
)
def test_what_prometheus_knows_is_offered_and_completed(
    notebook: NotebookPage, errors: list[str], typed: str, offered: str, completed: str
) -> None:
    """Tab offers the names that begin so, Enter takes the first; in a line and in a cell of its own."""
    expect(_complete(notebook, typed)).to_contain_text(offered)
    notebook.page.screenshot(path=SCREENSHOTS / f"completion-{offered}.png")
    notebook.page.keyboard.press("Enter")
    expect(notebook.cell(1).locator(".cm-line").last).to_have_text(completed.splitlines()[-1])
    assert errors == []


def test_a_query_is_typed_and_shows_its_table(notebook: NotebookPage, errors: list[str]) -> None:
    """Complete a metric's name, run the cell: one row for each of its series."""
    _complete(notebook, "%promql user_ev").click()
    notebook.run(1)
    expect(notebook.output(1).locator("table")).to_contain_text("joined")
    notebook.photograph("promql-table")
    assert errors == []
