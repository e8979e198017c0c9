"""The shape of a lesson: a question first, small steps, checkpoints with a remedy, exercises with a solution."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from labkit.notebook.exercises.status import LESSONS
from tests import ROOT
from tests.course.pages import NOTEBOOKS, Cell, cells, links, text

DRAWS = re.compile(r"\bplot\.[a-z]+\(|\bdashboard\.(?:overview|figures)\(|\blive\(|^%%promql.* --last", re.MULTILINE)
MAGIC_TITLE = re.compile(r'^%%promql.* --title "(.+?)"')
EXERCISE = re.compile(r"^## Exercise \d$", re.MULTILINE)
INDEX = text(ROOT / "notebooks" / "README.md")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def _tree(cell: Cell) -> ast.Module:
    manager = TransformerManager()
    return ast.parse(manager.transform_cell(cell.source))


def _code(path: Path) -> list[Cell]:
    return [cell for cell in cells(path) if cell.kind == "code"]


def _assigned(cell: Cell) -> set[str]:
    """The names that a cell gives values to, at its own level."""
    names = (node for node in ast.walk(_tree(cell)) if isinstance(node, ast.Name | ast.alias))
    return {
        node.id if isinstance(node, ast.Name) else node.asname or node.name
        for node in names
        if isinstance(node, ast.alias) or isinstance(node.ctx, ast.Store)
    }


def _titles(cell: Cell) -> list[str]:
    """The title of each figure that a cell draws; one that is given by name is looked up in the cell."""
    if cell.source.startswith("%%promql") and DRAWS.search(cell.source):
        return MAGIC_TITLE.findall(cell.source) or [""]
    tree = _tree(cell)
    named = {ast.unparse(node.targets[0]): node.value for node in ast.walk(tree) if isinstance(node, ast.Assign)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    drawn = [call for call in calls if ast.unparse(call.func).startswith("plot.")]
    given = [next((word.value for word in call.keywords if word.arg == "title"), ast.Constant("")) for call in drawn]
    return [_words(named.get(ast.unparse(title), title)) for title in given]


def _words(title: ast.expr) -> str:
    return str(title.value) if isinstance(title, ast.Constant) else ast.unparse(title).strip("f'\"")


@each_notebook
def test_a_notebook_opens_with_its_question_and_its_idea(path: Path) -> None:
    """The first cell has number, time, what is needed, a question, one idea, and the way to index and glossary."""
    first = cells(path)[0]
    assert first.source.startswith(f"# {path.stem[:2]} · ")
    assert re.search(r"^\*\d+ minutes · needs ", first.source, re.MULTILINE)
    assert re.search(r"^\*\*The question:\*\* .*\?$", first.source, re.MULTILINE)
    assert first.source.count("**The idea:**") == 1
    assert {"README.md", "glossary.md"} <= set(links(first.source))


@each_notebook
def test_the_index_lists_a_notebook_with_its_time(path: Path) -> None:
    """Title, link and minutes in the index are those of the notebook."""
    row = re.search(rf"^\| \[(.+?)\]\({path.name}\) \| (\d+) min \|", INDEX, re.MULTILINE)
    assert row
    assert cells(path)[0].source.startswith(f"# {row[1]}")
    assert f"*{row[2]} minutes ·" in cells(path)[0].source


@each_notebook
def test_steps_are_small(path: Path) -> None:
    """No code cell is over ten lines, and none follows the parameters without the values that derive from them."""
    assert [cell.source for cell in _code(path) if len(cell.source.splitlines()) > 10] == []
    assert all(isinstance(line, ast.AnnAssign) for line in _tree(_code(path)[0]).body)


@each_notebook
def test_a_prediction_comes_before_each_figure(path: Path) -> None:
    """The text above a figure asks what it will show."""
    asked = ""
    for cell in cells(path):
        if cell.kind == "markdown":
            asked = cell.source
        elif DRAWS.search(cell.source) and not cell.hidden:
            assert re.search(r"\*\*predict:?\*\*[^?]*\?", asked, re.IGNORECASE), cell.source
            asked = "One question, one figure."


@each_notebook
def test_the_title_of_a_figure_is_a_finding(path: Path) -> None:
    """It is a statement of four words or more, and no two figures of a notebook state the same."""
    titles = [title for cell in _code(path) for title in _titles(cell)]
    assert [title for title in titles if len(title.split()) < 4 or title.endswith(("?", "."))] == []
    assert len(titles) == len(set(titles))


@each_notebook
def test_a_checkpoint_says_what_went_wrong_and_where_to_look(path: Path) -> None:
    """There are two or more; each says what it checks, and each assertion has a message, and a place to look at."""
    checkpoints = [cell for cell in _code(path) if cell.is_checkpoint]
    assert len(checkpoints) >= 2
    for cell in checkpoints:
        asserts = [node for node in ast.walk(_tree(cell)) if isinstance(node, ast.Assert)]
        assert cell.source.startswith("# Checkpoint: ")
        assert asserts and all(node.msg for node in asserts), cell.source
        assert "Look at" in cell.source, cell.source


@each_notebook
def test_only_checkpoints_assert(path: Path) -> None:
    """Who meets a failed assertion knows what it is; solutions are checked as answers are."""
    others = [cell for cell in _code(path) if not cell.is_checkpoint]
    assert [cell.source for cell in others if re.search(r"^\s*assert ", cell.source, re.MULTILINE)] == []


@each_notebook
def test_each_exercise_has_room_and_a_folded_solution_that_checks_itself(path: Path) -> None:
    """Text, a cell that waits for an answer, and a solution that is checked whenever the notebook runs."""
    lesson = cells(path)
    tasks = [place for place, cell in enumerate(lesson) if EXERCISE.search(cell.source)]
    assert len(tasks) >= 2
    for task in tasks:
        room, solution = lesson[task + 1 : task + 3]
        assert room.tags == ("exercise",) and room.source.startswith("# Your answer\n")
        assert "solution" in solution.tags and solution.hidden and solution.source.startswith("# Solution\n")
        asked = re.findall(r"^check\.(\w+)\(\1\)$", room.source, re.MULTILINE)
        assert asked and re.findall(r"^(\w+) = \.\.\.$", room.source, re.MULTILINE) == asked
        assert re.findall(r"check\.solution\.(\w+)\(", solution.source) == asked


@each_notebook
def test_the_checks_of_a_notebook_are_its_exercises(path: Path) -> None:
    """Each check is asked for once, in the order of its class; the checks come before the first exercise."""
    checks = next(checks for checks in LESSONS if checks.notebook == path.stem)
    code = "\n".join(cell.source for cell in _code(path))
    assert re.findall(r"^check\.(\w+)\(\1\)", code, re.MULTILINE) == list(checks.exercises())
    assert code.index(f"check = {checks.__name__}(stack)") < code.index("# Your answer")


@each_notebook
def test_an_answer_takes_no_name_that_the_notebook_needs(path: Path) -> None:
    """A cell that runs again after somebody has answered finds what it had."""
    answers = {name for cell in _code(path) if "exercise" in cell.tags for name in _assigned(cell)} - {"check"}
    taken = {name for cell in _code(path) if not {"exercise", "solution"} & set(cell.tags) for name in _assigned(cell)}
    assert answers & taken == set()


@each_notebook
def test_solutions_are_the_only_cells_that_are_folded(path: Path) -> None:
    """What is folded away elsewhere would be missed, and what is a solution and not folded would be read."""
    assert [cell.source for cell in _code(path) if cell.hidden != ("solution" in cell.tags)] == []
    assert sum(cell.hidden for cell in _code(path)) == len(EXERCISE.findall(text(path)))


@each_notebook
def test_a_notebook_leads_on_and_its_lab_goes_on(path: Path) -> None:
    """After Run All, there is still something to look at: the last text says how it ends, and what to read next."""
    *_, last = cells(path)
    assert "`stack.down()` ends it now" in last.source
    assert "**Onward:**" in last.source
    assert len(links(last.source)) >= 2
    assert not any("stack.down()" in cell.source for cell in _code(path)[-3:])


@each_notebook
def test_a_report_of_a_notebook_has_findings_and_what_shows_them(path: Path) -> None:
    """Its title is its own, its findings are sentences with numbers, and no text for students is in it."""
    assert nbformat.read(path, as_version=4).metadata["title"]
    [found] = [cell for cell in _code(path) if "findings" in cell.tags]
    sentences = re.findall(r'^print\(f"(.+)"\)$', found.source, re.MULTILINE)
    assert len(sentences) >= 3 and all("{" in sentence and sentence.endswith(".") for sentence in sentences)
    shown = [cell for cell in cells(path) if "report" in cell.tags]
    assert shown and all(cell.kind == "code" for cell in shown)


def test_each_notebook_leads_to_the_next() -> None:
    """From the first to the last without looking at the index."""
    for path, following in pairwise(NOTEBOOKS):
        assert f"]({following.name})" in cells(path)[-1].source
