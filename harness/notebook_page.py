"""A notebook as a person has it before them: open it, run it, type into it, look at it."""

import re

from playwright.sync_api import Locator, Page, expect

from harness import ROOT
from harness.jupyter import Jupyter

READY = 60_000  # ms
SCREENSHOTS = ROOT / "out" / "screenshots"
_NUMBERED = re.compile(r"^\[\d+\]:$")

_HAS_IDLE_KERNEL = """() => {
    const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
    return session?.isReady && session.session?.kernel?.status === "idle";
}"""

_CELLS = "window.jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model.toJSON())"
_CODE = f"{_CELLS}.filter((cell) => cell.cell_type === 'code')"
_ERRORS = f"{_CODE}.flatMap((cell) => cell.outputs).filter((output) => output.output_type === 'error')"
_HAS_RUN = f"() => {_ERRORS}.length || {_CODE}.every((cell) => cell.execution_count || !cell.source)"


class NotebookPage:
    """A notebook that is open in JupyterLab, its kernel ready."""

    def __init__(self, page: Page, jupyter: Jupyter, path: str) -> None:
        self.page = page
        self._path, self._url = jupyter.root / path, f"{jupyter.url}lab/tree/{path}?reset"
        self.panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        self.reopen()

    def reopen(self) -> None:
        """Load the page anew, with the notebook as its file is."""
        self.page.goto(self._url)
        self.panel.wait_for(timeout=READY)
        self._wait_for_the_splash()
        # A cell that is run earlier asks which kernel is meant.
        self.page.wait_for_function(_HAS_IDLE_KERNEL, timeout=READY)

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
        # The page draws cells as they come into view; the model has them all.
        self.page.wait_for_function(_HAS_RUN, timeout=timeout)
        failed = self.page.evaluate(_ERRORS)
        assert failed == [], "\n".join("\n".join(output["traceback"]) for output in failed)

    def restart(self) -> None:
        """Restart the kernel, and return when it is ready."""
        self.menu("Kernel", "Restart Kernel…")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.page.wait_for_function(_HAS_IDLE_KERNEL, timeout=READY)

    def menu(self, *path: str) -> None:
        """Choose from the menu by labels."""
        for depth, name in enumerate(path):
            place = ".lm-Menu-itemLabel" if depth else ".lm-MenuBar-itemLabel"
            self.page.locator(place).get_by_text(name, exact=True).click()

    def photograph(self, name: str) -> None:
        """Leave a picture of the page in both themes in `out/screenshots`, for people to look at."""
        for theme in ("Dark", "Light"):
            self.wear(theme)
            self.page.screenshot(path=SCREENSHOTS / f"{name}-{theme.lower()}.png")

    def wear(self, theme: str) -> None:
        """Change to a theme, "Light" or "Dark"."""
        self.menu("Settings", "Theme", f"JupyterLab {theme}")
        themed = self.page.locator(f"body[data-jp-theme-name='JupyterLab {theme}']")
        themed.wait_for(state="attached", timeout=READY)
        self._wait_for_the_splash()

    def save(self) -> str:
        """Save, and return what the file holds then."""
        self.menu("File", "Save Notebook")
        dirty = self.page.locator(".jp-mod-dirty")
        expect(dirty).to_have_count(0, timeout=READY)
        return self._path.read_text()

    def _wait_for_the_splash(self) -> None:
        """It covers the page at the start and when the theme changes; clicks and keys reach nobody."""
        self.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=READY)
