"""A notebook as a person has it before them: open it, run it, type into it, look at it."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.jupyter import REPOSITORY, Jupyter

READY = 60_000  # ms
SCREENSHOTS = REPOSITORY / "out" / "screenshots"
_NUMBERED = re.compile(r"^\[\d+\]:$")


class NotebookPage:
    """A notebook that is open in JupyterLab, its kernel ready."""

    def __init__(self, page: Page, jupyter: Jupyter, path: str) -> None:
        self.page = page
        self._path = jupyter.root / path
        page.goto(f"{jupyter.url}lab/tree/{path}?reset")
        self.panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        self.panel.wait_for(timeout=READY)
        # Until then, clicks and keys reach nobody.
        page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=READY)
        self.wait_until_idle()

    def cell(self, index: int) -> Locator:
        """Return a code cell by its place among the code cells."""
        return self.panel.locator(".jp-CodeCell").nth(index)

    def output(self, index: int) -> Locator:
        return self.cell(index).locator(".jp-OutputArea")

    def run(self, index: int, *, timeout: float = READY) -> None:
        """Run one cell and return when it has a number."""
        self.cell(index).locator(".jp-InputArea-prompt").click()
        self.menu("Run", "Run Selected Cell and Do not Advance")
        expect(self.cell(index).locator(".jp-InputArea-prompt")).to_have_text(_NUMBERED, timeout=timeout)

    def run_all(self, *, timeout: float = READY) -> None:
        """Run every cell from the menu and return when the last code cell has a number."""
        self.menu("Run", "Run All Cells")
        last = self.panel.locator(".jp-CodeCell").last.locator(".jp-InputArea-prompt")
        expect(last).to_have_text(_NUMBERED, timeout=timeout)

    def menu(self, *path: str) -> None:
        """Choose from the menu by labels."""
        for depth, name in enumerate(path):
            place = ".lm-Menu-itemLabel" if depth else ".lm-MenuBar-itemLabel"
            self.page.locator(place).get_by_text(name, exact=True).click()

    def wait_until_idle(self) -> None:
        self.panel.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(timeout=READY)

    def photograph(self, name: str) -> None:
        """Leave a picture of the page in both themes in `out/screenshots`, for people to look at."""
        for theme in ("Dark", "Light"):
            self.menu("Settings", "Theme", f"JupyterLab {theme}")
            themed = self.page.locator(f"body[data-jp-theme-name='JupyterLab {theme}']")
            themed.wait_for(state="attached", timeout=READY)
            self.page.screenshot(path=SCREENSHOTS / f"{name}-{theme.lower()}.png")

    def save(self) -> str:
        """Save, and return what the file holds then."""
        self.menu("File", "Save Notebook")
        dirty = self.page.locator(".jp-mod-dirty")
        expect(dirty).to_have_count(0, timeout=READY)
        return self._path.read_text()
