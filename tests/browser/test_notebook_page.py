"""The tests' own hands and eyes."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenNotebook


def test_cells_run_and_show_what_they_print(open_notebook: OpenNotebook, errors: list[str]) -> None:
    """Run one, then all: each output is on the page, and in the file once it is saved."""
    notebook = open_notebook("n = 20", "print(n + 22)")
    notebook.run(0)
    notebook.run_all()
    expect(notebook.output(1)).to_contain_text("42")
    assert '"42\\n"' in notebook.save()
    assert errors == []
