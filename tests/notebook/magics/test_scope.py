"""What `{{name}}` means is what Python would find at that place: never a global of the same name instead."""

from textwrap import dedent

import pytest

from tests.notebook.magics.session import Ran, Session

MAGIC = "get_ipython().run_line_magic('redis', 'ECHO {{event}}').value"
PLACES = {
    "function": """
        def f(event):
            said = %redis ECHO {{event}}
            return said.value
        f('local')
    """,
    "coroutine": """
        async def f(event):
            said = %redis ECHO {{event}}
            return said.value
        await f('local')
    """,
    "lambda": f"f = lambda event: {MAGIC}\nf('local')",
    "comprehension": f"[{MAGIC} for event in ['local']][0]",
    "comprehension in a function": f"def f(event):\n    return [{MAGIC} for _ in 'a'][0]\nf('local')",
    "function in a function": """
        def f(event):
            def g():
                said = %redis ECHO {{event}}
                return said.value
            return g()
        f('local')
    """,
    "method of a class in a function": """
        def f(event):
            class Asked:
                event = 'of the class'
                def g(self):
                    said = %redis ECHO {{event}}
                    return said.value
            return Asked().g()
        f('local')
    """,
    "%promql": """
        def f(event):
            said = %promql label_replace(vector(1), 'a', {{event}}, '', '')
            return said.frame['a'].item()
        f('local')
    """,
    "%%lua": """
        def f(event):
            return get_ipython().run_cell_magic('lua', '--args {{event}}', 'return ARGV[1]').value
        f('local')
    """,
}
CLOSURE = """
def f(event):
    def g():
        %redis ECHO {{event}}
    return g
f('local')()
"""


def _run(asking: Session, cell: str) -> Ran:
    asking.shell.user_ns["event"] = "global"
    return asking.run(dedent(cell))


@pytest.mark.parametrize("place", PLACES)
def test_a_variable_is_that_of_the_place(asking: Session, place: str) -> None:
    """In functions, coroutines, lambdas, comprehensions and methods, and for each magic."""
    ran = _run(asking, PLACES[place])
    assert ran.value == "local", ran.said


def test_a_function_without_such_a_variable_takes_the_notebooks(asking: Session) -> None:
    """As everywhere in Python."""
    assert _run(asking, PLACES["function"].replace("f(event)", "f(_)")).value == "global"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (CLOSURE, "event is a variable of f, and cannot be seen from g"),
        ("def f():\n    %redis ECHO {{event}}\n    event = 1\nf()", "event is a variable of f, and has no value there"),
        ("def f():\n    %redis ECHO {{nothing}}\nf()", "the notebook has no variable 'nothing'"),
    ],
)
def test_what_cannot_be_seen_is_no_global(asking: Session, cell: str, said: str) -> None:
    """Where the variable that is meant has no value, or is out of sight, that is said."""
    ran = _run(asking, cell)
    assert ran.failed
    assert said in ran.said
