"""Who may read from the sidecar, at every endpoint."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import bcrypt
import pytest
from starlette.testclient import TestClient

from labkit.sidecar.app import SidecarApp, create_app

ENDPOINTS = ("/", "/metrics", "/-/healthy", "/-/ready", "/nowhere")


def configuration(folder: Path, **sections: object) -> Path:
    path = folder / "web.yml"
    path.write_text("\n".join(f"{name}: {section}" for name, section in sections.items()))
    return path


@pytest.fixture
def client(redis_url: str, tmp_path: Path) -> Iterator[TestClient]:
    """A sidecar that knows one user and one token."""
    users = {"prometheus": bcrypt.hashpw("pässword".encode(), bcrypt.gensalt(4)).decode()}
    tokens = {"agent": hashlib.sha256(b"a-token").hexdigest()}
    headers = {"headers": {"X-Frame-Options": "deny"}}
    path = configuration(tmp_path, basic_auth_users=users, bearer_tokens=tokens, http_server_config=headers)
    with TestClient(create_app(redis_url, web_config=path)) as client:
        yield client


def basic(credentials: str) -> str:
    return f"Basic {b64encode(credentials.encode()).decode()}"


@pytest.mark.parametrize("authorization", [basic("prometheus:pässword"), "bearer a-token"], ids=["password", "token"])
def test_who_is_known_is_served(client: TestClient, authorization: str) -> None:
    """The first time and again, when the password is remembered."""
    for _ in range(2):
        answers = [client.get(path, headers={"Authorization": authorization}).status_code for path in ENDPOINTS]
        assert answers == [200, 200, 200, 200, 404]


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        basic("prometheus:password"),
        basic("prometheus:pässword\0"),
        basic("prometheus:" + "pässword" * 10),
        basic("prometheus"),
        basic("nobody:pässword"),
        basic(":"),
        "Basic pässword",
        "Basic %%%",
        "Bearer",
        "Bearer another",
        f"Bearer {hashlib.sha256(b'a-token').hexdigest()}",
        "Digest a-token",
    ],
)
def test_who_is_not_known_is_refused(client: TestClient, authorization: str) -> None:
    """401 wherever they ask, with the schemes that are accepted, the configured headers, and nothing else."""
    for path in ENDPOINTS:
        answer = client.get(path, headers={b"Authorization": authorization.encode()})
        assert (answer.status_code, answer.text) == (401, "Unauthorized\n")
        assert answer.headers["www-authenticate"] == 'Basic realm="labkit", Bearer realm="labkit"'
        assert answer.headers["x-frame-options"] == "deny"


def test_a_name_that_was_taken_out_opens_nothing(redis_url: str, tmp_path: Path) -> None:
    """Not even with a password that is remembered, and that another name has now."""
    hashed = bcrypt.hashpw(b"password", bcrypt.gensalt(4)).decode()
    path = configuration(tmp_path, basic_auth_users={"old": hashed})
    sidecar = SidecarApp(redis_url, "metrics", path)
    with TestClient(sidecar.application()) as client:
        assert client.get("/", headers={"Authorization": basic("old:password")}).status_code == 200
        configuration(tmp_path, basic_auth_users={"new": hashed})
        sidecar.reload()
        answers = [client.get("/", headers={"Authorization": basic(f"{name}:password")}) for name in ("old", "new")]
        assert [answer.status_code for answer in answers] == [401, 200]


def test_tokens_alone_admit_no_user(redis_url: str, tmp_path: Path) -> None:
    """With one kind of secret configured, the other kind opens nothing."""
    path = configuration(tmp_path, bearer_tokens={"agent": hashlib.sha256(b"a-token").hexdigest()})
    with TestClient(create_app(redis_url, web_config=path)) as client:
        assert client.get("/", headers={"Authorization": basic(":")}).status_code == 401
        assert client.get("/", headers={"Authorization": "Bearer a-token"}).status_code == 200


def test_the_time_of_an_answer_reveals_no_names(redis_url: str, tmp_path: Path) -> None:
    """A wrong password takes as much work for every user, however expensive their hash is, as for nobody."""
    costs = {"cheap": 4, "medium": 8, "expensive": 10}
    users = {name: bcrypt.hashpw(b"password", bcrypt.gensalt(cost)).decode() for name, cost in costs.items()}
    path = configuration(tmp_path, basic_auth_users=users)
    with TestClient(create_app(redis_url, web_config=path)) as client:

        def work(name: str) -> float:
            started = process_time()
            assert client.get("/", headers={"Authorization": basic(f"{name}:guess")}).status_code == 401
            return process_time() - started

        times = {name: min(work(name) for _ in range(5)) for name in (*costs, "nobody", "")}
    assert max(times.values()) < 1.5 * min(times.values()), times
