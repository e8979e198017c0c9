"""`?name[]=`: a page with only some names."""

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from labkit import RedisMetricsService
from labkit.sidecar.app import create_app


def names_on_page(text: str) -> set[str]:
    return {line.partition(" ")[0].partition("{")[0] for line in text.splitlines() if not line.startswith("#")}


def heads_on_page(text: str) -> set[str]:
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


def page(redis_url: str, metrics: RedisMetricsService, *names: str) -> str:
    metrics.counter("events", "What happened.", ["what"]).labels(what="took_count 1").inc()
    metrics.histogram("took", "How long.", ["where"]).labels(where="here").observe(3)
    metrics.flush()
    with TestClient(create_app(redis_url)) as client:
        return client.get("/metrics", params=[("name[]", name) for name in names]).text


def test_only_samples_of_these_names(metrics: RedisMetricsService, redis_url: str) -> None:
    """As in client_python: names of samples, each with the HELP and TYPE of its family; the sidecar's own, too."""
    text = page(redis_url, metrics, "took_sum", "took_p95", "redis_up")
    assert names_on_page(text) == {"took_sum", "took_p95", "redis_up"}
    assert heads_on_page(text) == {"took", "took_p95", "redis_up"}


def test_the_name_of_a_histogram_stands_for_all_it_counts(metrics: RedisMetricsService, redis_url: str) -> None:
    """Its buckets, sum and count; the percentiles are metrics of their own."""
    text = page(redis_url, metrics, "took", "events")
    assert names_on_page(text) == {"took_bucket", "took_sum", "took_count", "events"}
    assert 'events{what="took_count 1"} 1\n' in text


def test_a_name_that_nobody_has_is_an_empty_page(metrics: RedisMetricsService, redis_url: str) -> None:
    assert page(redis_url, metrics, "unheard_of") == ""


def test_a_selector_is_refused(redis_url: str) -> None:
    """Ignored, it would give more than was asked for."""
    with TestClient(create_app(redis_url)) as client:
        answer = client.get("/metrics", params={"match[]": "events"})
    assert answer.status_code == 400
    assert "name[]" in answer.text


def test_a_label_may_hold_what_ends_a_line_elsewhere(metrics: RedisMetricsService, redis_url: str) -> None:
    """Carriage returns, form feeds and other separators of lines are letters like others; the page can be parsed."""
    odd = "a\rb\x0bc\x0cd\x1ce\x85f\u2028g\r\nh 1\r# TYPE x y"
    metrics.gauge("odd", "Help\rme.", ["what"]).labels(what=odd).set(1)
    metrics.flush()
    with TestClient(create_app(redis_url)) as client:
        whole, part = client.get("/metrics").content.decode(), client.get("/metrics?name[]=odd").content.decode()
    for text in (whole, part):
        (family,) = [family for family in text_string_to_metric_families(text) if family.name == "odd"]
        assert [sample.labels for sample in family.samples] == [{"what": odd}]
    assert part in whole
