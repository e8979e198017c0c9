"""One request to a service nearby: an answer, or an error that says why there is none."""

import pytest

from harness.process import free_port
from labkit.web.client import Response, request


def test_an_answer_is_its_status_and_its_text(store_url: str) -> None:
    """JSON goes out and comes back; what the store refuses is an answer, too."""
    accepted = request("POST", f"{store_url}/api/store/simulate", data={"customers": 1, "seed": 7})
    assert accepted.status == 202
    assert (accepted.json() or {})["seed"] == 7
    assert request("GET", f"{store_url}/api/store/simulations/none?at=all").status == 404


@pytest.mark.parametrize(
    "url", ["127.0.0.1:5050", "http://", "ftp://127.0.0.1", "http://127.0.0.1:port", "http://é è/"]
)
def test_what_is_no_url_is_told(url: str) -> None:
    """As any other reason for which there is no answer."""
    with pytest.raises(OSError, match=r"."):
        request("GET", url)


def test_nobody_is_told() -> None:
    """In the words of the system."""
    with pytest.raises(OSError, match="refused"):
        request("GET", f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize("text", ["", "<html>", "[1]", "null", "[" * 100_000])
def test_what_is_no_object_is_none(text: str) -> None:
    """Whoever expects an object need not look twice."""
    assert Response(200, text).json() is None
