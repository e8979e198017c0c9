"""URLs: an invalid one fails at once with the way out, no password is ever shown, and TLS is checked."""

import os
import shutil
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from harness.process import free_port, wait_until
from harness.redis_server import RedisServer
from labkit import RedisMetricsService
from labkit.errors import ConnectionFailed, FlushError
from labkit.keyspace.connection import connect, endpoint, redact
from labkit.sidecar.exporter import create_app
from labkit.stack import binaries
from labkit.writer.attempts import Attempts
from labkit.writer.probe import Probe, questioner
from tests.writer.test_service import value

# What is shown -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:s3cret@host:6379/0", "redis://:***@host:6379/0"),
        ("redis://user:s3c:r@et@host/0", "redis://user:***@host/0"),
        ("redis://s3cret@host/0", "redis://***@host/0"),
        (" REDIS://:s3cret@host/0\n", "redis://:***@host/0"),
        ("redis://host/0?password=s3cret&db=1", "redis://host/0?password=***&db=1"),
        ("redis://host/0?p%61ssword=s3cret", "redis://host/0?p%61ssword=***"),
        ("redis://host/0?token=s3cret", "redis://host/0?token=***"),
        ("rediss://host/0?ssl_password=s3cret", "rediss://host/0?ssl_password=***"),
        ("rediss://host/0?ssl_ca_certs=/etc/ca.pem", "rediss://host/0?ssl_ca_certs=/etc/ca.pem"),
        ("unix://user:s3cret@/run/redis.sock?db=1", "unix://user:***@/run/redis.sock?db=1"),
        ("redis://:s3cret", "redis://:***"),
        ("redis://:s3/cret@host/0", "redis://***"),
        ("redis://:s3#cret@host/0", "redis://***"),
        ("user:s3cret@host", "***"),
        ("redis://[::1", "(unreadable URL)"),
    ],
)
def test_a_password_is_hidden(url: str, shown: str) -> None:
    """Wherever it is, even where it breaks the URL."""
    assert redact(url) == shown


# Two ends that can be found again, whatever is between them.
passwords = st.text(max_size=8).map(lambda middle: f"s3c{middle}r3t")
encoded = passwords.map(lambda password: quote(password, safe="", errors="surrogatepass"))
hosts = st.sampled_from(["host", "127.0.0.1:6379", "[::1]:6379", "a..b", "host:port", ""])
schemes = st.sampled_from(["redis", "rediss", "unix", "http", "REDIS"])
ends = st.sampled_from(["", "/", "/0", "/run/redis.sock", "/0?db=1", "?db=x&nonsense", "#end", "/?ssl_ca_certs=/none"])
users = st.builds("{}://{}:{}@{}{}".format, schemes, st.sampled_from(["", "user"]), passwords | encoded, hosts, ends)
options = st.builds(
    "{}://{}/0?{}={}".format,
    schemes,
    hosts,
    st.sampled_from(["password", "PASSWORD", "ssl_password", "p%61ssword", "db=1&password", "passwd", "token"]),
    encoded,
)


@settings(deadline=None)
@given(users | options)
def test_no_password_of_any_url_shows(url: str) -> None:
    """Neither redacted, nor in the error with all its causes, nor in the client that is made of it."""
    try:
        seen = repr(connect(url))
    except ConnectionFailed as error:
        seen = "".join(traceback.format_exception(error))
    for text in (redact(url), seen):
        assert "s3c" not in text
        assert "r3t" not in text


# What is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://host",
        "nonsense",
        "127.0.0.1:6379",
        "redis://:s3/cret@host/0",
        "redis://:12#s3cret@host/0",
        "redis://:12/s3cret@host/0",
        "redis://:12?s3cret@host/0",
        "redis://:s3cret@host:port",
        "redis://host:99999",
        "redis://host/database",
        "redis://a..b",
        "redis://a%00b",
        f"redis://{'a' * 64}.example",
        "redis://:s3\udcff@host",
        "unix://host",
        "redis://:s3 @host",
        "redis://:s3\ncret@host",
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    """At once, not at the first command; the message says what a URL looks like, and nothing of the secret."""
    with pytest.raises(ConnectionFailed, match="one looks like") as caught:
        connect(url)
    assert "s3" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            "redis://host?nonsense=1",
            r"nonsense=\*\*\*.*unknown option 'nonsense'; the known ones are client_name, db, ",
        ),
        ("redis://host?decode_responses=1", "unknown option 'decode_responses'"),
        ("redis://host?ssl_cert_reqs=none", "with rediss://, some that begin with ssl_"),
        ("redis://host?db=x", "db must be the number of a database"),
        ("rediss://host?ssl_cert_reqs=perhaps", "ssl_cert_reqs must be none, optional or required"),
        ("rediss://host?ssl_ca_certs=/none.pem", r"the files of ssl_ca_certs .* cannot be read \(No such file"),
        ("rediss://host?ssl_certfile=/none.pem", r"the files of ssl_certfile .* cannot be read \(No such file"),
        ("rediss://host?ssl_keyfile=%00", "the files of ssl_certfile and ssl_keyfile cannot be read"),
        ("rediss://host?ssl_min_version=9", "ssl_min_version must be 771"),
        ("rediss://host?ssl_ciphers=none", "no cipher is left by ssl_ciphers"),
        ("redis://host?socket_timeout=nan", "socket_timeout must be a number of seconds"),
        ("redis://host?socket_connect_timeout=-1", "socket_connect_timeout must be a number of seconds"),
    ],
)
def test_a_wrong_option_is_refused(url: str, reason: str) -> None:
    """An option that is unknown, or would fail later, or would change how labkit reads a reply."""
    with pytest.raises(ConnectionFailed, match=reason):
        connect(url)


def test_the_password_of_the_url_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's is for URLs without one; it need not be UTF-8."""
    monkeypatch.setenv("LABKIT_REDIS_PASSWORD", "s3\udcff")
    assert connect("redis://host").get_connection_kwargs()["password"] == b"s3\xff"
    assert connect("redis://:of-url@host").get_connection_kwargs()["password"] == "of-url"  # noqa: S105  none


def test_a_scheme_in_capitals_and_space_around_are_understood() -> None:
    """A variable or a file often adds a space or an end of line; both mean nothing."""
    options = connect(" REDIS://:s3cret@host:7/2\n").get_connection_kwargs()
    assert (options["host"], options["port"], options["db"], options["password"]) == ("host", 7, 2, "s3cret")


def test_a_user_without_a_password_may_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the environment has the password; otherwise it may be one whose colon was forgotten."""
    monkeypatch.setenv("LABKIT_REDIS_PASSWORD", "s3cret")
    assert redact("redis://user@host/0") == "redis://user@host/0"


# TLS -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tls:
    """A server that speaks TLS and asks for a client's certificate, and the files to reach it with."""

    port: int
    folder: Path

    def url(self, *options: str, host: str = "127.0.0.1") -> str:
        return f"rediss://{host}:{self.port}/0?{'&'.join(options)}"

    def file(self, name: str) -> Path:
        return self.folder / name

    @property
    def trust(self) -> str:
        return f"ssl_ca_certs={self.file('ca.pem')}"

    def identity(self, name: str = "client") -> tuple[str, str]:
        return f"ssl_certfile={self.file(f'{name}.pem')}", f"ssl_keyfile={self.file(f'{name}.key')}"


def write_certificates(folder: Path) -> None:
    """An authority, a server, a client; the client's key once more, encrypted; a stranger from another authority."""
    ours, theirs = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(folder / "ca.pem")
    theirs.cert_pem.write_to_path(folder / "other-ca.pem")
    for name, authority, host in (("server", ours, "127.0.0.1"), ("client", ours, "a"), ("stranger", theirs, "b")):
        issued = authority.issue_cert(host)
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
    key = load_pem_private_key((folder / "client.key").read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"s3cret"))
    (folder / "locked.key").write_bytes(locked)
    (folder / "locked.pem").write_bytes((folder / "client.pem").read_bytes())


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    """A Redis 7, because the wheel of Valkey is built without TLS."""
    folder, port = tmp_path_factory.mktemp("tls"), free_port()
    write_certificates(folder)
    files = {"ca-cert": "ca.pem", "cert": "server.pem", "key": "server.key"}
    options = [word for name, file in files.items() for word in (f"--tls-{name}-file", str(folder / file))]
    program = binaries.find("redis-server")
    server = RedisServer(program, folder, "--tls-port", str(port), *options)
    yield Tls(port, folder)
    server.close()


@pytest.mark.parametrize("key", ["client", "locked"])
def test_values_travel_over_tls(tls: Tls, key: str) -> None:
    """Writer and sidecar show their certificate and check the server's; a key may have a password."""
    url = tls.url(tls.trust, *tls.identity(key), *["ssl_password=s3cret"][: key == "locked"])
    with RedisMetricsService(url, flush_interval=600) as metrics, TestClient(create_app(url)) as sidecar:
        metrics.counter(f"over_{key}", "Help.").inc(3)
        metrics.flush()
        assert f"\nover_{key} 3\n" in sidecar.get("/metrics").text
        assert "s3cret" not in repr(metrics)


def test_a_server_behind_tls_is_asked_whether_it_is_back(tls: Tls) -> None:
    """The question goes over TLS as well; a certificate that is not trusted is no absence, and is not asked about."""
    trusted, other = (
        endpoint(tls.url(f"ssl_ca_certs={tls.file(name)}", *tls.identity())) for name in ("ca.pem", "other-ca.pem")
    )
    probe = Probe(questioner(trusted))
    wait_until(probe.is_answered, "The answer")
    probe.rest()
    attempts = Attempts(probe, 5)
    with pytest.raises(redis.ConnectionError) as caught:
        other.client().ping()
    for _ in range(10):
        attempts.failed(caught.value, 5)
    assert attempts.next_in > 10


# A server says nothing to a client it does not know; how the connection ends is a matter of timing.
ENDED = "(?i)EOF|alert|certificate|closed|reset|broken pipe"


@pytest.mark.parametrize(
    ("authority", "identity", "host", "reason"),
    [
        ("ca", "client", "localhost", "certificate is not valid for 'localhost'"),
        ("other-ca", "client", "127.0.0.1", "certificate verify failed"),
        ("ca", "", "127.0.0.1", ENDED),
        ("ca", "stranger", "127.0.0.1", ENDED),
    ],
)
def test_a_wrong_certificate_is_an_outage(tls: Tls, authority: str, identity: str, host: str, reason: str) -> None:
    """The server's or the client's, or one for another name: the writer says why, and nothing arrives."""
    files = (f"ssl_ca_certs={tls.file(f'{authority}.pem')}", *(tls.identity(identity) if identity else ()))
    metrics = RedisMetricsService(tls.url(*files, host=host), flush_interval=600)
    metrics.counter("refused", "Help.").inc()
    with pytest.raises(FlushError, match=reason):
        metrics.close(1)
    with connect(tls.url(tls.trust, *tls.identity())) as client:
        assert client.exists("metrics:counter:refused") == 0


@pytest.mark.parametrize("option", ["", "ssl_password=wr0ng"])
def test_a_locked_key_is_refused_at_once(tls: Tls, option: str) -> None:
    """Without its password or with a wrong one, and no question is asked on the terminal."""
    with pytest.raises(ConnectionFailed, match="ssl_password does not decrypt the key") as caught:
        connect(tls.url(tls.trust, *tls.identity("locked"), *filter(None, [option])))
    assert "wr0ng" not in str(caught.value)


def test_plain_text_does_not_reach_a_tls_port(tls: Tls) -> None:
    """A URL without its second s is an error, not a conversation in the clear."""
    with connect(f"redis://127.0.0.1:{tls.port}/0") as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_a_plain_port_does_not_answer_in_tls(redis_url: str) -> None:
    """A URL with an s too many is named as what it is, not as a server that is slow."""
    url = redis_url.replace("redis://", "rediss://")
    with connect(url, timeout=0.2) as client, pytest.raises(redis.ConnectionError, match="did not answer in TLS"):
        client.ping()


def test_a_forked_child_needs_no_file_of_its_parent(tls: Tls, tmp_path: Path) -> None:
    """Certificates that are gone, or that only root may read, are those that the parent has read."""
    shutil.copytree(tls.folder, tmp_path / "copy")
    copied = Tls(tls.port, tmp_path / "copy")
    metrics = RedisMetricsService(copied.url(copied.trust, *copied.identity()), flush_interval=600)
    counter = metrics.counter("forked", "Help.")
    shutil.rmtree(copied.folder)
    child = os.fork()
    if child == 0:
        counter.inc(10)
        metrics.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    counter.inc(1)
    metrics.close()
    with connect(tls.url(tls.trust, *tls.identity())) as client:
        assert value(client, "metrics:counter:forked") == 11


def test_renewed_certificates_are_used(tls: Tls, tmp_path: Path) -> None:
    """Each new connection reads them again: what was a stranger's is the client's after the files were replaced."""
    shutil.copytree(tls.folder, tmp_path / "copy")
    copied = Tls(tls.port, tmp_path / "copy")
    with connect(copied.url(copied.trust, *copied.identity("stranger"))) as client:
        with pytest.raises(redis.ConnectionError):
            client.ping()
        for end in ("pem", "key"):
            copied.file(f"client.{end}").replace(copied.file(f"stranger.{end}"))
        assert client.ping()
