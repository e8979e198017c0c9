"""Reports: parameters are checked before anything runs, and the page stands alone, whole or up to the failure."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest

from harness.process import wait_until
from labkit.errors import LabkitError
from labkit.notebook.report.parameters import Parameter, checked, declared
from labkit.notebook.report.report import find, run

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
DECLARATIONS = """\
count: int = 3  # how many
rate: float = 20.0  # requests per second
title: str = "a # b"  # what it is called
loud: bool = False
server: Literal["valkey", "redis"] = "valkey"  # which one
limit: int | None = None
ports: list[int] = [1, 2]
table: dict[str, int] = {}
plain = 7"""
FIGURE = "import plotly.graph_objects as go\ngo.Figure(go.Bar(x=['a'], y=[4711]))"


def notebook(path: Path, *cells: str, prose: str = "# A title\n\nProse.") -> Path:
    code = [nbformat.v4.new_code_cell(source) for source in cells]
    code[0].metadata["tags"] = ["parameters"]
    text = nbformat.v4.new_markdown_cell(prose)
    nbformat.write(nbformat.v4.new_notebook(cells=[text, *code], metadata=KERNEL), path)
    return path


@pytest.fixture
def parameters(tmp_path: Path) -> dict[str, Parameter]:
    return declared(notebook(tmp_path / "n.ipynb", DECLARATIONS))


def test_a_declaration_has_type_default_and_meaning(parameters: dict[str, Parameter]) -> None:
    """They are read as they stand; a `#` in a default is not a comment, and no annotation means the default's type."""
    assert parameters["rate"] == Parameter("rate", "float", "20.0", "requests per second")
    assert parameters["title"] == Parameter("title", "str", "'a # b'", "what it is called")
    assert parameters["plain"].type == "int"
    assert list(parameters) == ["count", "rate", "title", "loud", "server", "limit", "ports", "table", "plain"]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", "-4", -4),
        ("rate", "2", 2.0),
        ("title", "5", "5"),
        ("loud", "Yes", True),
        ("loud", "0", False),
        ("server", "redis", "redis"),
        ("limit", "none", None),
        ("limit", "5", 5),
        ("ports", "[3]", [3]),
        ("plain", "8", 8),
    ],
)
def test_what_fits_arrives_as_its_type(parameters: dict[str, Parameter], name: str, text: str, value: object) -> None:
    """Text from the command line becomes the declared type, and nothing but it."""
    result = checked(parameters, [(name, text)])[name]
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("count", "2.5"),
        ("rate", "fast"),
        ("rate", "nan"),
        ("loud", "maybe"),
        ("server", "mysql"),
        ("limit", "x"),
        ("ports", "{}"),
        ("ports", "[(1, 2)]"),
        ("ports", "[b'x']"),
        ("ports", r"['\ud800']"),
        ("title", "\udcff"),
        ("table", "{(1, 2): 3}"),
        ("table", "{1: 2}"),
        ("table", "{'a': {1}}"),
        ("ports", "__import__('os')"),
    ],
)
def test_what_does_not_fit_is_refused(parameters: dict[str, Parameter], name: str, text: str) -> None:
    """The message names the parameter, what was given and what it should be."""
    with pytest.raises(LabkitError, match=rf"^{name} = .*does not fit: {name} is ") as refusal:
        checked(parameters, [(name, text)])
    assert repr(text) in str(refusal.value)
    assert parameters[name].type in str(refusal.value)


@pytest.mark.parametrize("text", ["[" * 300, "[" * 100_000, "[" * 90 + "]" * 90 + "-" * 5000, "9" * 5000])
def test_what_is_too_deep_or_too_long_is_refused(parameters: dict[str, Parameter], text: str) -> None:
    """Python itself gives up on it in several ways; the message shows its start."""
    for name in ("ports", "table", "limit"):
        with pytest.raises(LabkitError, match=rf"^{name} = .*…? does not fit") as refusal:
            checked(parameters, [(name, text)])
        assert len(str(refusal.value)) < 1000


def test_every_mistake_is_told_at_once(parameters: dict[str, Parameter]) -> None:
    """An unknown name comes with similar ones, beside the value that does not fit."""
    with pytest.raises(LabkitError) as refusal:
        checked(parameters, [("raet", "1"), ("count", "many"), ("zzz", "1")])
    told = str(refusal.value).splitlines()
    assert "Did you mean rate?" in told[0]
    assert "a whole number such as 40" in told[1]
    assert "Its parameters: count, rate, title" in told[2]


def test_the_page_stands_alone(tmp_path: Path) -> None:
    """Title, given parameters, prose, tables and figures are there; code and anything to fetch are not."""
    table = "import pandas as pd\npd.DataFrame({'a': [count]})"
    prose = "# A title\n\nSome [near](glossary.md#x) prose."
    path = notebook(tmp_path / "n.ipynb", "count: int = 3  # how many", table, FIGURE, prose=prose)
    report = run(path, [("count", "12345")], tmp_path / "out" / "n.html")
    text = report.output.read_text()
    assert report.failure == ""
    assert "<h1>A title</h1>" in text
    assert "<code>12345</code></td><td>how many" in text
    assert re.search(r"<td>12345</td>", text)
    assert "4711" in text
    assert "plotly.graph_objects" not in text.partition("<body>")[2]
    assert "glossary.md" not in text
    assert not re.search(r'<(script|link|img|iframe)[^>]+(src|href)="(?!data:)', text)


def test_the_page_begins_with_what_was_found(tmp_path: Path) -> None:
    """Title, findings with their numbers, tagged figures with their titles; the particulars are folded, at the end."""
    found = "print('18 of 18 numbers are equal; p99 43 ms.')\nprint('See [x].')"
    titled = f"{FIGURE}.update_layout(title_text='Bars are high')"
    path = notebook(tmp_path / "n.ipynb", "x: int = 5", titled, found, "print('by the way')")
    given = nbformat.read(path, as_version=4)
    given.metadata["title"] = "A claim"
    given.cells[2].metadata["tags"], given.cells[3].metadata["tags"] = ["report"], ["findings"]
    nbformat.write(given, path)
    body = run(path, output=tmp_path / "n.html").output.read_text().partition("<body>")[2]
    sentence = "<li><strong>18 of 18</strong> numbers are equal; p99 <strong>43 ms</strong>.</li>"
    order = ["<h1>A claim</h1>", sentence, "<figcaption>Bars are high</figcaption>", "4711", "<details>", "Machine"]
    assert [part for part in order if part in body] == order
    assert sorted(order, key=body.index) == order
    assert not re.search("by the way|Prose", body)


def test_links_that_lead_nowhere_are_words(tmp_path: Path) -> None:
    """A lab has ended when its report is read, and a file beside the notebook is not passed on with it."""
    prose = "# T\n\n[lab](http://127.0.0.1:9090/x) [six](http://[::1]:1/) [near](a.md) [far](https://prometheus.io/)"
    text = run(notebook(tmp_path / "n.ipynb", "x: int = 1", prose=prose), output=tmp_path / "n.html").output.read_text()
    assert re.findall(r'<a [^>]*href="([^"]*)"', text) == ["https://prometheus.io/"]
    assert "lab six near" in text


def test_readers_are_spared_exercises_and_what_is_tagged_so(tmp_path: Path) -> None:
    """The prose before an exercise stays, cells tagged `remove-cell` run unseen, and the kept notebook has them all."""
    path = notebook(tmp_path / "n.ipynb", "x: int = 1", "print('un' + 'seen')", "print('the an' + 'swer')")
    given = nbformat.read(path, as_version=4)
    given.cells[-2].metadata["tags"] = ["remove-cell"]
    given.cells[-1].metadata["tags"] = ["solution"]
    question = nbformat.v4.new_markdown_cell("A last word.\n\n## Exercise 1\n\nA question.")
    given.cells.insert(-1, question)
    nbformat.write(given, path)
    text = run(path, output=tmp_path / "n.html", executed=tmp_path / "ran.ipynb").output.read_text()
    assert "A last word." in text
    assert not re.search("unseen|the answer|Exercise|question", text)
    ran = (tmp_path / "ran.ipynb").read_text()
    assert "unseen" in ran
    assert "the answer" in ran


def test_a_failed_run_leaves_what_came_before(tmp_path: Path) -> None:
    """The page ends with the cell's error, and the exit code is 1, with the error on stderr."""
    path = notebook(tmp_path / "n.ipynb", "count: int = 3", "print('before')", "int('x' * count)", "print('unreached')")
    command = [sys.executable, "-m", "labkit", "report", str(path), "-p", "count", "2", "--output", "page.html"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    text = (tmp_path / "page.html").read_text()
    assert done.returncode == 1
    assert "`int('x' * count)` failed: ValueError: invalid literal" in done.stderr
    assert "before\n</pre>" in text
    assert "This run ended early" in text
    assert "ValueError: invalid literal for int() with base 10: &#x27;xx&#x27;" in text
    assert "unreached" not in text


def test_a_cell_that_is_meant_to_fail_tells_how_and_the_run_goes_on(tmp_path: Path) -> None:
    """What it said on stderr is part of the lesson; what other cells say there is left out."""
    warn = "import sys\nprint('no news', file=sys.stderr)"
    path = notebook(tmp_path / "n.ipynb", "count: int = 3", warn, "%no_such_magic", "print(count)")
    meant = nbformat.read(path, as_version=4)
    meant.cells[-2].metadata["tags"] = ["raises-exception"]
    nbformat.write(meant, path)
    report = run(path, [], tmp_path / "n.html")
    text = report.output.read_text()
    assert report.failure == ""
    assert "no_such_magic` not found" in text
    assert "<pre>3\n</pre>" in text
    assert "no news" not in text


def test_a_cell_that_takes_too_long_ends_the_run(tmp_path: Path) -> None:
    """The page says so, and which option allows more."""
    path = notebook(tmp_path / "n.ipynb", "x: int = 1", "print('early')", "import threading; threading.Event().wait()")
    report = run(path, output=tmp_path / "n.html", timeout=2)
    assert report.failure == "A cell took longer than 2 s; allow more with `labkit report --timeout`."
    assert "early" in report.output.read_text()


@pytest.mark.parametrize("metadata", [{}, {"kernelspec": {"name": "venv-of-a-colleague", "display_name": "Python"}}])
def test_a_python_notebook_runs_whatever_kernel_it_names(tmp_path: Path, metadata: dict[str, object]) -> None:
    """Without a kernel, or with one of another machine, this Python runs it, with the parameters that are given."""
    path = notebook(tmp_path / "n.ipynb", "count: int = 3", "import sys\nprint(sys.prefix, count + 1)")
    given = nbformat.read(path, as_version=4)
    given.metadata = nbformat.from_dict(metadata)
    nbformat.write(given, path)
    report = run(path, [("count", "41")], tmp_path / "n.html")
    assert report.failure == ""
    assert f"{sys.prefix} 42\n" in report.output.read_text()


def test_a_notebook_for_another_language_is_refused(tmp_path: Path) -> None:
    """In one line, which says what it is written in and what is here."""
    path = notebook(tmp_path / "n.ipynb", "x: int = 1")
    path.write_text(path.read_text().replace('"python3"', '"gfort"').replace('"python"', '"fortran"'))
    with pytest.raises(
        LabkitError, match=r"n\.ipynb is written in fortran, .* 'gfort' .*; there is .*python3"
    ) as refusal:
        run(path, output=tmp_path / "n.html")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("source", ["%matplotlib inline\nx: int = 1", "x = (", "x = '''"])
def test_parameters_that_are_not_python_are_refused(tmp_path: Path, source: str) -> None:
    """The message names the notebook and the cell."""
    with pytest.raises(LabkitError, match=r"n\.ipynb: the cell tagged parameters is not plain Python"):
        declared(notebook(tmp_path / "n.ipynb", source))


def test_nothing_runs_when_a_parameter_is_wrong(tmp_path: Path) -> None:
    """Exit code 1, the message, and no page."""
    path = notebook(tmp_path / "n.ipynb", "count: int = 3", f"open({str(tmp_path / 'ran')!r}, 'w')")
    command = [sys.executable, "-m", "labkit", "report", str(path), "-p", "cuont", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "Did you mean count?" in done.stderr) == (1, True)
    assert [file.name for file in tmp_path.iterdir()] == ["n.ipynb"]


def test_the_courses_notebooks_are_found_by_name_or_number() -> None:
    """And each of them declares a type, a default and a meaning for all its parameters."""
    assert find("00") == find("00-start-here")
    for number in ("00", "01", "02", "03", "04"):
        for parameter in declared(find(number)).values():
            assert parameter.meaning, parameter
            assert parameter.type in {"int", "float", "str", "bool"}


@pytest.mark.parametrize(("signalled", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_report_that_is_ended_leaves_no_kernel(tmp_path: Path, signalled: signal.Signals, code: int) -> None:
    """Whether it was interrupted or killed: what it started ends with it, and there is no page."""
    path = notebook(tmp_path / "n.ipynb", "x: int = 1", "import threading; threading.Event().wait()")
    command = [sys.executable, "-m", "labkit", "report", str(path)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as report:
        process = psutil.Process(report.pid)
        wait_until(lambda: len(process.children(recursive=True)) == 2, "The kernel's start", timeout=60)
        family = process.children(recursive=True)
        report.send_signal(signalled)
    assert report.returncode == code
    wait_until(lambda: not any(map(lives, family)), "The kernel's end")
    assert [file.name for file in tmp_path.iterdir()] == ["n.ipynb"]


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
