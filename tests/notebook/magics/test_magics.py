"""The magics in a real shell, against a real lab."""

import os
import signal
from threading import Thread
from threading import enumerate as threads
from time import monotonic

import pytest
import redis

import labkit
from harness.process import wait_until
from labkit import Stack
from labkit.keyspace.connection import connect
from labkit.notebook.magics import deadline
from labkit.notebook.magics.completion import is_ours
from labkit.notebook.magics.deadline import NAME
from tests.notebook.magics.session import Session


def test_a_query_for_a_moment_is_a_table(asking: Session) -> None:
    """`%promql` gives a result whose frame is tidy, and which shows a table."""
    result = asking.run("%promql users_total").value
    assert list(result.frame["metric"]) == ["users_total"]
    assert "<table" in result._repr_mimebundle_()["text/html"]


def test_a_query_over_a_time_is_a_figure(asking: Session) -> None:
    """`%%promql --last` shows a figure, and `--to` keeps the result under a name."""
    asking.run("%%promql --last 10s --step 1s --to kept --title 'Guests' --unit guests\nusers_total")
    kept = asking.shell.user_ns["kept"]
    assert "application/vnd.plotly.v1+json" in kept._repr_mimebundle_()
    assert kept.figure.layout.title.text == "Guests"
    assert kept.frame.attrs["step"] == 1


@pytest.mark.parametrize("cell", ["%promql --last 30d {}", "%promql {} --last 30d", "%%promql\n{}\n--last 30d"])
def test_a_long_time_has_as_many_points_as_can_be_seen(asking: Session, cell: str) -> None:
    """Without a word about the step, and with options where they come to mind."""
    result = asking.run(cell.format("vector(1)")).value
    assert 200 <= len(result.frame) <= 300
    assert result.frame.attrs["step"] == 3 * 3600


def test_a_short_time_has_a_point_for_each_scrape(asking: Session) -> None:
    """More points than samples would only repeat them."""
    assert asking.run("%promql --last 30s vector(1)").value.frame.attrs["step"] == 0.5


@pytest.mark.parametrize(("option", "figure"), [("--table --last 10s", False), ("--plot", True)])
def test_table_or_figure_can_be_chosen(asking: Session, option: str, figure: bool) -> None:
    """`--table` and `--plot` win over what the kind of the query suggests."""
    shown = asking.run(f"%%promql {option}\nusers_total").value._repr_mimebundle_()
    assert ("application/vnd.plotly.v1+json" in shown) is figure


def test_a_variable_reaches_a_query_only_when_asked(asking: Session) -> None:
    """`{{name}}` is its value; `$name` and `{name}` are what they are in PromQL: nothing that it knows."""
    asking.shell.user_ns["job"] = "labkit"
    assert len(asking.run('%promql up{job="{{job}}"}').value) == 1
    assert len(asking.run('%promql up{job="$job"}').value) == 0
    assert len(asking.run('%promql up{job="{job}"}').value) == 0


def test_a_wrong_query_is_pointed_at(asking: Session) -> None:
    """The message is Prometheus' own, with a caret under the place, and without a traceback."""
    ran = asking.run("%promql sum(users_total")
    assert ran.failed
    assert "unclosed left parenthesis\n    sum(users_total\n                   ^" in ran.said
    assert "Traceback" not in ran.said


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("%promql", "There is no query"),
        ("%promql {{missing}}", "no variable 'missing'"),
        ("%%promql up\nup", "the query is the cell"),
        ("%%promql --to 1a\nup", "cannot be the name of a variable"),
        ("%%promql --at yesterday\nup", "--at yesterday"),
        ("%%promql --last soon\nup", "'soon' is not a valid duration"),
        ("%%promql --lst 5m\nup", "%promql has no option --lst. Did you mean --last?"),
        ("%promql up --lst 5m", "%promql has no option --lst. Did you mean --last?"),
        ("%%lua --wirte\nreturn 1", "%%lua has no option --wirte. Did you mean --write?"),
        ("%redis", "%redis takes one command"),
        ("%redis MONITOR", "%redis takes one command"),
        ("%redis GET 'a", "Close the quote"),
        ("%redis NONSENSE", "unknown command"),
        ("%lab", "Write %lab up|down|status|logs|doctor"),
        ("%lab up --nonsense", "No such option"),
        ("%lab logs nobody", "is no service of the lab"),
    ],
)
def test_wrong_usage_is_one_message(asking: Session, cell: str, said: str) -> None:
    """Each mistake is named, with what to do, and no traceback."""
    ran = asking.run(cell)
    assert ran.failed
    assert said in ran.said
    assert "Traceback" not in ran.said


def test_without_a_lab_everything_says_how_to_start_one(session: Session, empty_home: object) -> None:
    """No magic fails in another way where no lab runs."""
    for cell in ("%promql up", "%%lua\nreturn 1", "%redis PING", "%lab status"):
        assert "Start one" in (ran := session.run(cell)).said + repr(ran.value)


def test_lua_reads_and_is_refused_to_write(asking: Session) -> None:
    """A script is read-only unless `--write` is given; keys and arguments come by options, filled from variables."""
    asking.shell.user_ns["key"] = "two words"
    write = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])"
    refused = asking.run(f"%%lua --keys '{{{{key}}}}' --args 7\n{write}")
    assert refused.failed
    assert "%%lua --write" in refused.said
    assert asking.run(f"%%lua --write --keys '{{{{key}}}}' --args 7\n{write}").value.value == "7"
    assert asking.run("%redis DEL '{{key}}'").value.value == 1


def test_a_failed_script_shows_its_line(asking: Session) -> None:
    """The line that Redis names is marked."""
    ran = asking.run("%%lua\nlocal a = 1\nreturn a.b.c")
    assert ran.failed
    assert "→   2 │ return a.b.c" in ran.said


def test_a_script_without_end_is_ended(asking: Session) -> None:
    """It is told after ten seconds, and Redis answers everybody again."""
    ran = asking.run("%%lua\nwhile true do end")
    assert ran.failed
    assert "did not reply within 10 s. The script was ended" in ran.said
    assert asking.run("%redis PING").value.value == "PONG"


def _interrupt_when_busy(url: str) -> None:
    """Press Ctrl-C as soon as Redis answers nobody."""

    def is_busy() -> bool:
        with connect(url, timeout=1) as client:
            try:
                return not client.ping()
            except redis.RedisError:
                return True

    wait_until(is_busy, "a script that keeps Redis busy")
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_script_is_ended(asking: Session, lab: Stack) -> None:
    """Interrupting the cell ends the script, too."""
    watching = Thread(target=_interrupt_when_busy, args=(lab.urls["redis"],))
    watching.start()
    ran = asking.run("%%lua\nwhile true do end")
    watching.join()
    assert ran.failed
    assert "KeyboardInterrupt" in ran.said
    assert asking.run("%redis PING").value.value == "PONG"


@pytest.mark.parametrize(
    ("service", "cell", "said"),
    [
        ("redis", "%redis PING", "Redis did not reply within 4 s. Is it paused? See `%lab status`. Nothing was sent"),
        ("prometheus", "%promql --last 5m users_totl", "did not answer within 4 s"),
    ],
)
def test_a_server_that_hangs_costs_the_time_that_is_told(
    asking: Session, lab: Stack, monkeypatch: pytest.MonkeyPatch, service: str, cell: str, said: str
) -> None:
    """One limit for everything: it was another one for each thing that was tried."""
    asking.run(cell)  # what it imports takes its time
    monkeypatch.setattr(deadline, "TIMEOUT", 4.0)
    with lab.paused(service):
        began = monotonic()
        ran = asking.run(cell)
        assert monotonic() - began < 8
    assert said in ran.said


def test_a_supervisor_that_hangs_is_told_too(asking: Session, lab: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """`%lab status` waited for it without end."""
    monkeypatch.setattr(deadline, "TIMEOUT", 2.0)
    supervisor = int((lab.home / ".labkit" / lab.name / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGSTOP)
    try:
        assert "The lab's supervisor did not answer within 2 s" in asking.run("%lab status").said
    finally:
        os.kill(supervisor, signal.SIGCONT)


@pytest.mark.parametrize(("service", "cell"), [("redis", "%redis PING"), ("prometheus", "%promql up")])
def test_a_wait_is_interrupted_at_once(asking: Session, lab: Stack, service: str, cell: str) -> None:
    """The stop button does not wait for the limit, nor for another one after it."""
    asking.run(cell)  # what it imports takes its time
    with lab.paused(service):
        watching = Thread(target=_interrupt_when_asking)
        watching.start()
        began = monotonic()
        ran = asking.run(cell)
        assert monotonic() - began < 8
    watching.join()
    assert "KeyboardInterrupt" in ran.said


def _interrupt_when_asking() -> None:
    wait_until(lambda: any(thread.name == NAME for thread in threads()), "a magic that waits")
    os.kill(os.getpid(), signal.SIGINT)


def test_lab_shows_what_runs(asking: Session, lab: Stack) -> None:
    """`%lab status` is a table of the services with their states and links."""
    shown = asking.run("%lab status").value
    assert "answering" in repr(shown)
    assert f'href="{lab.urls["prometheus"]}"' in shown._repr_html_()


def test_lab_starts_and_ends_a_lab(session: Session, empty_home: object) -> None:
    """`%lab up` takes the options of the command line, and `%lab down` leaves nothing."""
    assert "answering" in repr(session.run("%lab up --ports auto --scrape-interval 1").value)
    assert "http://127.0.0.1" in session.run("%lab logs store -n 5").said
    assert '"scrape_interval": 1.0' in session.run("%lab status --json").said
    assert repr(session.run("%lab down").value) == "The lab 'lab' is down."
    assert repr(session.run("%lab down").value) == "No lab was running."


def test_unloading_takes_everything_away(session: Session) -> None:
    """After `%unload_ext` there is no magic and no completion of labkit; `%load_ext` brings them back."""
    session.shell.run_line_magic("unload_ext", "labkit")
    assert session.run("%lab status").failed
    assert "rate" not in session.offered("%promql rat¦")
    session.shell.run_line_magic("load_ext", "labkit")
    assert "rate" in session.offered("%promql rat¦")


def test_a_notebook_may_load_what_its_kernel_has_loaded(session: Session) -> None:
    """Kernels of `make lab` load at their start; then `%load_ext labkit` says nothing and adds nothing."""
    session.shell.run_line_magic("unload_ext", "labkit")
    labkit.load_ipython_extension(session.shell)
    assert session.run("%load_ext labkit").said == ""
    assert len([each for each in session.shell.Completer.custom_matchers if is_ours(each)]) == 1
