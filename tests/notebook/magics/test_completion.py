"""What IPython offers where somebody types a query; JupyterLab shows the same."""

import pytest

from harness.process import wait_until
from labkit import Prometheus, Stack
from tests.notebook.magics.session import Session


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("%promql users_to¦", "users_total"),
        ("kept = %promql users_to¦", "users_total"),
        ("%promql --plot users_to¦", "users_total"),
        ("%%promql --last 5m\nsum(\n  users_to¦\n)", "users_total"),
        ("%promql histogram_q¦", "histogram_quantile"),
        ("%promql to¦", "topk"),
        ('%promql up{job="la¦"}', "labkit"),
        ('%%promql\nup{job=~"prometheus|la¦', "labkit"),
        ("%promql up{jo¦", "job"),
        ("%%promql\nsum by (jo¦) (up)", "job"),
        ("%promql rate(up[2¦", "20s"),
        ("%%promql --la¦", "--last"),
        ("%promql --st¦", "--step"),
        ("%%lua --w¦", "--write"),
        ("%promql users_total --la¦", "--last"),
        ("%promql sum(users_total) --last 5m --st¦", "--step"),
        ("%promql users_total --last ¦", "5s"),
        ("%%promql --last 1¦", "10s"),
        ("%%promql\nusers_total\n--ti¦", "--title"),
        ("%redis HGE¦", "HGET"),
        ("%redis hge¦", "hget"),
        ("%redis GET greet¦", "greeting"),
        ("%redis GET ¦", "greeting"),
        ("%redis TTL metrics:gauge:users_act¦", "metrics:gauge:users_active:service=store"),
        ("%%lua --keys greet¦", "greeting"),
        ('labkit.live("users_to¦', "users_total"),
        ("live(\n    'rate(users_to¦", "users_total"),
        ('labkit.live("up{job=\\"la¦', "labkit"),
        ('labkit.live("""\nsum by (jo¦', "job"),
        ("asked.query_range('up{job=\"la¦", "labkit"),
        ("%lab sta¦", "status"),
        ("%lab up --scr¦", "--scrape-interval"),
        ("%lab up --ports a¦", "auto"),
        ("%lab logs pro¦", "prometheus"),
    ],
)
def test_what_fits_comes_first(asking: Session, typed: str, first: str) -> None:
    """Metrics, functions, labels, values, durations, options, commands and keys, each where it may stand."""
    asking.shell.user_ns["asked"] = Prometheus()
    assert asking.offered(typed)[0] == first


def test_labels_and_values_are_those_of_the_series(asking: Session) -> None:
    """A condition that is written already narrows what is offered, and is not offered again."""
    assert asking.offered('%promql up{job="labkit", ¦') == ["instance"]
    assert asking.offered('%promql up{job="labkit", job="¦') == ["labkit"]
    assert asking.offered("%promql users_total{event¦") == ["event"]


def test_a_name_is_found_by_its_middle(asking: Session) -> None:
    """What begins as typed comes first, then what contains it."""
    offered = asking.offered("%promql total¦")
    assert "users_total" in offered
    assert asking.offered("%promql users_¦")[0].startswith("users_")


def test_variables_are_offered_in_their_brackets(asking: Session) -> None:
    """After {{ stand the variables of the notebook."""
    asking.shell.user_ns["shop_name"] = "north"
    assert asking.offered('%promql up{job="{{shop_¦') == ["shop_name"]


@pytest.mark.parametrize("typed", ["%promql pri¦", "%%promql\n# prin¦", '%promql up{job="pri¦', "%promql up > 1e¦"])
def test_python_stays_out_of_a_query(asking: Session, typed: str) -> None:
    """None of Python's names or IPython's magics is offered where PromQL is typed."""
    assert not {"print", "%prun", "property"} & set(asking.offered(typed))


@pytest.mark.parametrize("typed", ['%promql --title "two wor¦', "%promql --title it's ra¦"])
def test_an_open_quote_breaks_nothing(asking: Session, typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Tab in the middle of a title is no error."""
    asking.offered(typed)
    assert "Traceback" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("typed", ["user_events = 1; prin¦", "if True:\n    prin¦", "'%promql ' + prin¦"])
def test_python_is_completed_as_ever(asking: Session, typed: str) -> None:
    """Outside of the magics nothing changes."""
    assert any(each.startswith("print") for each in asking.offered(typed))


@pytest.mark.parametrize("typed", ["%promql histogram_q¦", "%%promql\nhistogram_q¦"])
def test_functions_are_offered_without_a_lab(session: Session, empty_home: object, typed: str) -> None:
    """Where no lab runs there are no metrics, and everything else is as before."""
    assert session.offered(typed)[0] == "histogram_quantile"
    assert session.offered("%promql users_to¦") == ["users_to"]


def test_a_prometheus_that_is_away_breaks_nothing(
    asking: Session, lab: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    """While it is stopped functions are offered without a word of complaint; then its names are back."""
    with lab.stopped("prometheus"):
        assert asking.offered("%promql users_to¦") == ["users_to"]
        assert asking.offered("%promql histogram_q¦")[0] == "histogram_quantile"
    assert capfd.readouterr().err == ""
    wait_until(lambda: asking.offered("%promql users_to¦") == ["users_total"], "the return of the names")
