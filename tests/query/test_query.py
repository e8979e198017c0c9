"""PromQL in, tidy frames out, and one clear message when that cannot be: asked of a real Prometheus."""

import http.server
import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from math import inf
from time import monotonic

import pandas as pd
import pytest

from labkit.answers import tidy
from labkit.ask.catalogue import Catalogue
from labkit.errors import QueryError
from labkit.live_figure.asking import Asker
from labkit.query import Prometheus, fitting_step, quote, seconds, spelled
from tests.query.conftest import AWAY, AWKWARD, BOUNDS, END, START, STEP, STEPS
from tests.query.prometheus_server import SCRAPE_INTERVAL, PrometheusServer
from tests.redis_server import free_port

BASE = {"time": "datetime64[ms, UTC]", "metric": "string", "value": "float64"}


def types(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


# Frames


def test_an_instant_query_gives_one_row_per_series(prometheus: Prometheus) -> None:
    """Time, name, one column per label, value: with the documented types, in that order."""
    frame = prometheus.query("events", at=END)
    assert types(frame) == {"time": BASE["time"], "metric": "string", "event": "string", "value": "float64"}
    assert frame[["metric", "event", "value"]].to_numpy().tolist() == [
        ["events", "joined", 10.0 * (STEPS - 1)],
        ["events", "left", STEPS - 1.0],
    ]
    assert set(frame["time"]) == {pd.Timestamp(END, unit="s", tz="UTC")}


def test_a_range_query_gives_one_row_per_sample(prometheus: Prometheus) -> None:
    """Every step has its row, series by series, and the step is kept for drawing it."""
    frame = prometheus.query_range("events", last="1m", step="5s", end=START + 60)
    assert frame.groupby("event")["value"].apply(list).to_dict() == {
        "joined": [10.0 * n for n in range(13)],
        "left": [float(n) for n in range(13)],
    }
    assert frame["time"].iloc[0] == pd.Timestamp("2026-01-01", tz="UTC")
    assert frame.attrs["step"] == 5.0


def test_bounds_of_buckets_are_ordered_as_numbers(prometheus: Prometheus) -> None:
    """5 before 10, +Inf last: at a moment, over a time, in a live figure; unless the query asks for an order."""
    assert list(prometheus.query("took_ms", at=END)["le"]) == list(BOUNDS)
    assert list(prometheus.query_range("took_ms", last="1m", end=END)["le"].unique()) == list(BOUNDS)
    answer = Asker(lambda: prometheus).range("took_ms", START * 1000, END * 1000, 5000)
    assert [series["metric"]["le"] for series in answer["data"]["result"]] == list(BOUNDS)
    assert list(prometheus.query("sort_desc(took_ms)", at=END)["value"]) == [1800.0, 1800.0, 1200.0, 0.0]


@pytest.mark.parametrize(
    ("last", "scraped", "step"),
    [
        ("5m", 5, 5),
        ("5m", 1, 2),
        ("1m", 0.5, 0.5),
        ("1h", 15, 15),
        ("2d", 5, 900),
        ("30d", 5, 10_800),
        ("5y", 5, 691_200),
    ],
)
def test_a_fitting_step_is_round_and_as_short_as_can_be_seen(last: str, scraped: float, step: float) -> None:
    """Some 250 points, and not more of them than samples."""
    assert fitting_step(last, scraped) == step
    assert seconds(last) / step <= 250
    assert seconds(spelled(step)) == step


def test_samples_that_are_missing_are_missing(prometheus: Prometheus) -> None:
    """A series that was away has no rows for that time, rather than invented ones."""
    frame = prometheus.query_range('events{event="left"}', last=END - START, step=STEP, end=END)
    steps = (frame["time"] - pd.Timestamp(START, unit="s", tz="UTC")).dt.total_seconds() / STEP
    # Prometheus repeats the last sample for the time its lookback lasts: one step here.
    assert set(range(STEPS)) - set(steps) == set(list(AWAY)[1:])


@pytest.mark.parametrize("ask", [Prometheus.query, Prometheus.query_range])
def test_no_series_is_an_empty_frame_of_the_same_shape(prometheus: Prometheus, ask: object) -> None:
    """An empty result has the base columns with their types, so the code that follows works on it."""
    assert callable(ask)
    frame = ask(prometheus, "no_such_metric")
    assert frame.empty
    assert types(frame) == BASE
    assert frame.attrs["promql"] == "no_such_metric"
    assert frame["value"].sum() == 0


@pytest.mark.parametrize(
    ("promql", "rows"),
    [
        ("1 + 1", [("", 2.0)]),
        ("sum(events)", [("", 11.0 * (STEPS - 1))]),
        ('events{event="joined"}[6s]', [("events", 10.0 * (STEPS - 2)), ("events", 10.0 * (STEPS - 1))]),
    ],
)
def test_every_type_of_result_is_a_frame(prometheus: Prometheus, promql: str, rows: list[tuple[str, float]]) -> None:
    """Scalars and range vectors come as rows too; a name that PromQL dropped is empty."""
    frame = prometheus.query(promql, at=END)
    assert list(zip(frame["metric"], frame["value"], strict=True)) == rows


def test_a_string_is_a_row_too(prometheus: Prometheus) -> None:
    """A string literal, which PromQL allows, keeps its text."""
    frame = prometheus.query('"hello"')
    assert types(frame) == BASE | {"value": "string"}
    assert frame["value"].tolist() == ["hello"]


def test_values_that_are_no_ordinary_numbers_arrive(prometheus: Prometheus) -> None:
    """NaN and infinity are values, and a label that a series lacks is empty."""
    frame = prometheus.query("odd", at=START + 1).set_index("case")
    assert frame.loc["inf", "value"] == inf
    assert frame["value"].isna().to_dict() == {"clash": False, "awkward": False, "inf": False, "nan": True}
    assert frame.loc["nan", "text"] == ""


def test_labels_may_be_called_like_our_own_columns(prometheus: Prometheus) -> None:
    """A label named time, metric or value has a column of its own, even beside a label_time."""
    frame = prometheus.query('odd{case="clash"}', at=START + 1)
    row = frame.iloc[0]
    assert (row["label_time"], row["label_metric"], row["label_label_time"], row["label_value"]) == ("1", "2", "3", "4")
    assert (row["metric"], row["value"]) == ("odd", 1.0)


def test_a_quoted_value_is_the_value(prometheus: Prometheus) -> None:
    """Whatever characters a label value has, `quote` selects exactly it."""
    frame = prometheus.query(f"odd{{text={quote(AWKWARD)}}}", at=START + 1)
    assert frame["text"].tolist() == [AWKWARD]


def test_fractions_of_a_second_are_kept(prometheus: Prometheus) -> None:
    """Bounds are sent as given, and times are exact to the millisecond."""
    frame = prometheus.query_range("timestamp(odd{case='awkward'})", last=0.25, step=0.125, end=START + 0.25)
    expected = [pd.Timestamp(START + offset, unit="s", tz="UTC") for offset in (0.125, 0.25)]
    assert frame["time"].tolist() == expected
    assert frame["value"].tolist() == [START + 0.125] * 2


def test_a_moment_is_a_datetime_or_seconds(prometheus: Prometheus) -> None:
    """Both ways to say when give the same; a datetime without a zone is refused instead of guessed."""
    moment = datetime.fromtimestamp(END, UTC)
    pd.testing.assert_frame_equal(prometheus.query("events", at=moment), prometheus.query("events", at=END))
    with pytest.raises(QueryError, match=re.escape("no time zone; write datetime.now(UTC)")):
        prometheus.query("events", at=moment.replace(tzinfo=None))


def test_warnings_are_kept(prometheus: Prometheus) -> None:
    """What Prometheus remarks about an answer stays with it."""
    assert prometheus.query("events").attrs["warnings"] == []
    (warning,) = prometheus.query('events{remote="yes"}').attrs["warnings"]
    assert "remote_read" in warning


def test_native_histograms_are_refused() -> None:
    """They are not numbers: the message says what to ask for. (The answer is the documentation's own.)"""
    sample = {"metric": {}, "histogram": [1435781451.781, {"count": "1", "sum": "2", "buckets": [[0, "1", "2", "1"]]}]}
    with pytest.raises(QueryError, match="histogram_quantile"):
        tidy({"status": "success", "data": {"resultType": "vector", "result": [sample]}})


# Durations


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("5s", 5),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("0.5", 0.5),
        ("1w2d", 777_600),
        (0.5, 0.5),
        (timedelta(minutes=5), 300),
    ],
)
def test_durations(duration: str | float | timedelta, expected: float) -> None:
    """Durations are written as in PromQL, as seconds, or as timedeltas."""
    assert seconds(duration) == expected


@pytest.mark.parametrize("duration", ["", "5 minutes", "1m1h", "-5s", "0s", 0, -1, inf, float("nan")])
def test_other_durations_are_refused(duration: str | float) -> None:
    """Anything else is an error that shows how to write one."""
    with pytest.raises(QueryError, match="write '5s', '1h30m', a number of seconds, or a timedelta"):
        seconds(duration)


# Waiting


def test_waiting_ends_with_the_condition(prometheus: Prometheus) -> None:
    """`wait_until` returns the first answer that fulfils the condition: here, after three more scrapes."""
    scrapes = "count_over_time(up{job='self'}[1h])"
    before = prometheus.wait_until(scrapes)["value"].item()
    after = prometheus.wait_until(scrapes, lambda frame: frame["value"].sum() >= before + 3)["value"].item()
    assert after >= before + 3


def test_waiting_in_vain_says_what_was_seen(prometheus: Prometheus) -> None:
    """A timeout names the query and the last answer."""
    with pytest.raises(QueryError, match=r"(?s)up: the condition was not met within 0.2 s; last seen: .*self +1\.0"):
        prometheus.wait_until("up", lambda frame: frame["value"].sum() > 1, timeout=0.2)
    with pytest.raises(QueryError, match="last seen: no series"):
        prometheus.wait_until("no_such_metric", timeout=0)


def test_the_scrape_interval_is_what_prometheus_says(prometheus: Prometheus) -> None:
    """Each job's own interval; none for a job that is not there."""
    prometheus.wait_until("up")
    assert prometheus.scrape_interval("self") == SCRAPE_INTERVAL
    assert prometheus.scrape_interval("nobody") is None
    assert prometheus.shortest_scrape_interval() == SCRAPE_INTERVAL


# Errors


@pytest.mark.parametrize(
    ("promql", "message"),
    [
        ("sum(events) by", "1:15: parse error: unexpected end of input"),
        (
            "sum(events) users",
            '1:13: parse error: unexpected identifier "users"\n    sum(events) users\n                ^',
        ),
        ("sum(\nevents}", "2:7: parse error: unexpected character: '}'\n    sum(\n    events}\n          ^"),
        ('"äöü" users', 'unexpected identifier "users"\n    "äöü" users\n          ^'),
        ("", ": parse error: no expression found in input"),
        ("events + on() group_left() odd", "many-to-many matching not allowed"),
    ],
)
def test_a_wrong_query_shows_prometheus_own_words(prometheus: Prometheus, promql: str, message: str) -> None:
    """The message is Prometheus' own, with the place in the query."""
    with pytest.raises(QueryError, match="Prometheus refused the query: ") as error:
        prometheus.query(promql, at=START + 1)
    assert message in str(error.value)


def test_too_fine_a_step_is_refused(prometheus: Prometheus) -> None:
    """More than 11,000 points per series are an error, with Prometheus' advice."""
    with pytest.raises(QueryError, match="exceeded maximum resolution of 11,000 points"):
        prometheus.query_range("events", last="1d", step="1s")


@pytest.mark.parametrize("url", ["127.0.0.1:9090", "redis://127.0.0.1", "http://", "http://a:99999", "http://[", ""])
def test_a_url_that_cannot_be_one_is_refused_at_once(url: str) -> None:
    """The error shows what a URL looks like."""
    with pytest.raises(QueryError, match=r"not a valid Prometheus URL; one looks like 'http://127\.0\.0\.1:9090'"):
        Prometheus(url)


def test_no_prometheus_names_the_remedy() -> None:
    """If nothing answers, the message says so and how to start it, and never shows a password."""
    url = f"http://user:secret@127.0.0.1:{free_port()}"
    with pytest.raises(QueryError, match=r"Connection refused\)\. Start the lab with `labkit up`") as error:
        Prometheus(url).query("up")
    assert "secret" not in str(error.value) + repr(Prometheus(url))


def test_no_answer_in_time() -> None:
    """A server that takes the request and stays silent is given up on after `timeout`."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(QueryError, match=r"did not answer within 0\.3 s\. Ask for less"):
            Prometheus(url, timeout=0.3).query("up")


@pytest.mark.parametrize("timeout", [1e-6, 1e-4, 3e-4, 1e-3, 1e-2])
def test_prometheus_3_says_in_several_ways_that_it_took_too_long(newest: PrometheusServer, timeout: float) -> None:
    """As a timeout, as a failure and as a bad query, by how far it came: it is one message."""
    with pytest.raises(QueryError, match=r"did not answer within \S+ s\. Ask for less"):
        Prometheus(newest.url, timeout=timeout).query("sum_over_time(vector(1)[1h:1ms])")


def test_a_query_that_takes_too_long(server: PrometheusServer) -> None:
    """Prometheus is given the same timeout, and its own report of it becomes the same message."""
    started = monotonic()
    with pytest.raises(QueryError, match="did not answer within 1e-06 s"):
        Prometheus(server.url, timeout=1e-6).query("events")
    assert monotonic() - started < 1, "the client gave up, not Prometheus"


class _OtherServer(http.server.BaseHTTPRequestHandler):
    """Answers, but is not a Prometheus; below /starting, it is one that is not ready yet."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_error(503 if self.path.startswith("/starting") else 404)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def other_url() -> Iterator[str]:
    """The URL of something else that speaks HTTP."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _OtherServer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_something_else_answers(other_url: str) -> None:
    """A URL that leads elsewhere is named, with the answer it gave."""
    with pytest.raises(QueryError, match=r"not as Prometheus does \(404 Not Found\)\. Is it the right URL\?"):
        Prometheus(other_url).query("up")


ODD = [
    "[]",
    "null",
    "7",
    '"success"',
    "[" * 100_000,
    '{"status": "error"}',
    '{"status": "error", "errorType": "bad_data"}',
    '{"status": "error", "error": {"deep": 1}}',
    '{"status": "success"}',
    '{"status": "success", "data": []}',
    '{"status": "success", "data": {}}',
    '{"status": "success", "data": {"resultType": "vector", "result": 7}}',
    '{"status": "success", "data": {"resultType": "vector", "result": [7]}}',
    '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": [], "value": [1, "1"]}]}}',
    '{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1]}]}}',
    '{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [["x", "y"]]}]}}',
    '{"status": "success", "data": {"resultType": "string", "result": [1]}}',
    '{"status": "success", "data": {"activeTargets": [{}], "resultType": "scalar", "result": [1e999, "1"]}}',
]


@pytest.fixture
def odd_url(monkeypatch: pytest.MonkeyPatch, other_url: str, request: pytest.FixtureRequest) -> str:
    """The URL of a server that answers everything with one text."""

    def answer(handler: _OtherServer) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(request.param.encode())

    monkeypatch.setattr(_OtherServer, "do_GET", answer)
    monkeypatch.setattr(_OtherServer, "do_POST", answer, raising=False)
    return other_url


@pytest.mark.parametrize("odd_url", ODD, indirect=True)
def test_an_answer_of_any_form_is_one_clear_error(odd_url: str) -> None:
    """Without its parts, with others, or too deep to be read: whoever asks."""
    prometheus = Prometheus(odd_url)
    asks: list[Callable[[], object]] = [lambda: prometheus.query("up"), lambda: prometheus.query_range("up")]
    asks += [lambda: prometheus.scrape_interval("x"), lambda: Asker(lambda: prometheus).range("up", 0, 10_000, 1000)]
    for ask in asks:
        with pytest.raises(QueryError, match=r"as Prometheus does|what Prometheus answers|refused the query"):
            ask()
    assert Catalogue(odd_url).metrics() == []


@pytest.mark.parametrize("odd_url", ['{"status": "error", "error": "9:9: parse error: x"}'], indirect=True)
def test_a_place_that_is_not_in_the_query_is_not_pointed_at(odd_url: str) -> None:
    """The message is shown as it is."""
    with pytest.raises(QueryError, match=r"refused the query: 9:9: parse error: x\n    up$"):
        Prometheus(odd_url).query("up")


def test_a_prometheus_that_is_not_ready_is_asked_once(other_url: str) -> None:
    """A 503 is reported at once; the client's hidden retries would take six seconds."""
    before, started = _OtherServer.asked, monotonic()
    with pytest.raises(QueryError, match="is starting or stopping"):
        Prometheus(f"{other_url}/starting/").query("up")
    assert _OtherServer.asked == before + 1
    assert monotonic() - started < 1


def test_a_proxy_for_the_internet_is_not_asked_for_this_machine(
    prometheus: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loopback addresses are reached directly whatever the environment says about proxies."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert len(prometheus.query("1")) == 1
