"""One JupyterLab for the session, one Chromium for a module, a new page for each test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from harness import chromium
from harness.jupyter import Jupyter
from harness.notebook_page import NotebookPage
from labkit.errors import BinaryNotFound
from tests.browser import driver

OpenNotebook = Callable[..., NotebookPage]


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """A JupyterLab without a password, on a free port of the loopback interface."""
    with Jupyter(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


# Not longer than a module: as long as Playwright is there, its event loop runs in this thread, and no other can.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium without a window."""
    try:
        program, environment = chromium.find()
    except BinaryNotFound as error:
        pytest.skip(f"No Chromium, so nothing is looked at: {error}")
    with driver.starting():
        playwright = sync_playwright().start()
    running = playwright.chromium.launch(
        executable_path=program, args=list(chromium.OPTIONS), env={**os.environ, **environment}
    )
    yield running
    running.close()
    playwright.stop()


@pytest.fixture
def errors() -> list[str]:
    """What the browser's console calls an error."""
    return []


@pytest.fixture
def page(browser: Browser, errors: list[str]) -> Iterator[Page]:
    """A page of a browser that has seen nothing before."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    opened = context.new_page()

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(f"{message.text} ({message.location.get('url', '')})")

    opened.on("console", note)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()


@pytest.fixture
def open_notebook(page: Page, jupyter: Jupyter, request: pytest.FixtureRequest) -> OpenNotebook:
    """Call it with the sources of code cells, or with `path=` of a notebook; it opens in JupyterLab."""

    def opened(*cells: str, path: Path | None = None) -> NotebookPage:
        name = f"{request.node.name.split('[')[0]}.ipynb"
        if path:
            (jupyter.root / name).write_bytes(path.read_bytes())
        else:
            jupyter.write(name, cells)
        return NotebookPage(page, jupyter, name)

    return opened
