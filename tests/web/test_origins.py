"""Who may call: every kind of caller that there is, as browsers and programs introduce themselves."""

import pytest

from labkit.web.origins import ALLOWED, host_refusal, origin_refusal

Headers = dict[str, str]


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """No further names in the environment."""
    monkeypatch.delenv(ALLOWED, raising=False)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:5050", "localhost:5050", "LocalHost", "localhost.", "a.localhost:1", "[::1]:5050", "192.0.2.7:5050", "0.0.0.0"],  # noqa: S104, E501  addresses
)  # fmt: skip
def test_an_address_and_localhost_are_its_own_names(host: str) -> None:
    """No name server can make them mean something else."""
    assert host_refusal({"host": host}.get) == ""


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:5050", "127.0.0.1.evil.example", "localhost.evil.example", "evillocalhost", "", "[", "a@b"],  # noqa: E501
)  # fmt: skip
def test_every_other_name_is_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been made to mean 127.0.0.1; the answer says how to allow it."""
    assert ALLOWED in host_refusal({"host": host}.get)
    assert ALLOWED in host_refusal(Headers().get)
    monkeypatch.setenv(ALLOWED, "store, evil.example")
    assert (host_refusal({"host": host}.get) == "") is host.startswith("evil.example")


OWN = {"host": "127.0.0.1:5050"}
CROSS = OWN | {"sec-fetch-site": "cross-site"}
FRIENDS: list[Headers] = [
    OWN,
    OWN | {"origin": "http://127.0.0.1:5050", "sec-fetch-site": "same-origin"},
    OWN | {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
    OWN | {"sec-fetch-site": "same-site"},
    OWN | {"origin": "https://hub.example", "x-forwarded-host": "hub.example"},
    OWN | {"origin": "https://hub.example:8443", "x-forwarded-host": "hub.example:8443, inner:80"},
]
FOES: list[Headers] = [
    OWN | {"origin": "http://evil.example"},
    OWN | {"origin": "null"},
    OWN | {"origin": ""},
    OWN | {"origin": "http://127.0.0.1:8888"},
    OWN | {"origin": "http://127.0.0.1"},
    OWN | {"origin": "http://127.0.0.1:5050.evil.example"},
    OWN | {"origin": "http://evil.example", "x-forwarded-host": "hub.example"},
    OWN | {"origin": "://", "x-forwarded-host": ""},
    CROSS,
    CROSS | {"sec-fetch-mode": "no-cors"},
    CROSS | {"origin": "http://evil.example", "sec-fetch-mode": "navigate"},
]


@pytest.mark.parametrize("headers", FRIENDS)
def test_programs_and_its_own_pages_may_call(headers: Headers) -> None:
    """Also through a proxy that says by which name the browser knows the service."""
    assert origin_refusal(headers.get, link=False) == ""


@pytest.mark.parametrize("headers", FOES)
@pytest.mark.parametrize("link", [True, False])
def test_pages_of_others_may_not(headers: Headers, link: bool) -> None:
    """Forms, scripts, pictures: whatever they send."""
    assert origin_refusal(headers.get, link=link) != ""


def test_a_link_leads_only_where_looking_changes_nothing() -> None:
    """Somebody who follows a link from elsewhere to a page sees it."""
    headers = CROSS | {"sec-fetch-mode": "navigate"}
    assert origin_refusal(headers.get, link=True) == ""
    assert origin_refusal(headers.get, link=False) != ""


def test_a_site_that_is_listed_may_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, whatever its port."""
    monkeypatch.setenv(ALLOWED, "friend.example")
    assert origin_refusal((OWN | {"origin": "https://Friend.example:8443"}).get, link=False) == ""
    assert origin_refusal((OWN | {"origin": "https://evil.example"}).get, link=False) != ""
