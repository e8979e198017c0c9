"""An exercise in the browser: what a student reads after each answer, in both themes and on a narrow page."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenNotebook

UP = """
from labkit import Stack
from labkit.notebook.exercises.start_here import StartHere
from labkit.experiments import ledger
from labkit.store import client
stack = Stack.up(ports="auto", scrape_interval=0.5, flush_interval=0.5)
client.simulate(stack.urls["store"], customers=12, speed=50, seed=3)
assert ledger.settle(stack)["equal"].all()
"""
CHECK = "check = StartHere(stack)\ncheck"
AGAIN = """
from labkit import Stack
from labkit.notebook.exercises.start_here import StartHere
stack = Stack.attach()
check = StartHere(stack)
check
"""


def test_a_student_is_answered_and_remembered(open_notebook: OpenNotebook, errors: list[str]) -> None:
    """Wrong, with hints and the solution; right, with progress; and the progress is there after a restart."""
    events = 'events = client.status(stack.urls["store"])["ledger"]["events"]\n'
    wrong = f"{events}for wrong in (sum(events.values()), 987654, 'none'):\n    check.joined(wrong)"
    notebook = open_notebook(UP, CHECK, wrong, "check.joined(events['joined'])", AGAIN, "stack.down()")
    for index in range(4):
        notebook.run(index)
    expect(notebook.output(1)).to_contain_text("0 of 3 solved: ☐ joined · ☐ left · ☐ lost")
    expect(notebook.output(2)).to_contain_text("is all four events together; which of them is joined?")
    expect(notebook.output(2).locator("em").first).to_have_text("joined")
    expect(notebook.output(2).locator("pre")).to_contain_text('check.joined(totals["joined"])')
    expect(notebook.output(3)).to_contain_text("1 of 3 solved: ✔ joined")
    notebook.cell(2).scroll_into_view_if_needed()
    notebook.photograph("exercises")
    notebook.restart()
    notebook.run(4)
    expect(notebook.output(4)).to_contain_text("1 of 3 solved: ✔ joined")
    notebook.page.set_viewport_size({"width": 390, "height": 800})
    notebook.page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
    notebook.cell(2).scroll_into_view_if_needed()
    notebook.photograph("exercises-narrow")
    notebook.run(5)
    assert errors == []
