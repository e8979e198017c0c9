"""The web configuration: which parts of an exporter's file labkit takes; it refuses the rest by name."""

import ssl
from pathlib import Path

import bcrypt
import pytest
import trustme

from labkit.errors import LabkitError
from labkit.sidecar.web_config import read_web_config
from tests import ROOT

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, and the certificate and key of a server."""
    folder = tmp_path_factory.mktemp("web")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    authority.issue_cert("127.0.0.1").private_key_pem.write_to_path(folder / "other.key")
    return folder


def write(folder: Path, text: str) -> Path:
    path = folder / "web.yml"
    path.write_text(text)
    return path


def test_an_empty_file_protects_nothing(folder: Path) -> None:
    config = read_web_config(write(folder, ""))
    assert (config.tls, config.users, config.tokens, config.headers) == (None, {}, {}, {})


def test_a_file_that_other_exporters_take(folder: Path) -> None:
    """TLS, client certificates, users and headers; paths are relative to the file."""
    text = f"""{TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, min_version: TLS13}}
http_server_config: {{http2: false, headers: {{X-Frame-Options: deny}}}}
basic_auth_users:
  prometheus: {HASH}
"""
    config = read_web_config(write(folder, text))
    assert config.tls
    assert config.users == {"prometheus": HASH.encode()}
    assert config.headers == {"X-Frame-Options": "deny"}


def test_the_example_of_the_documentation(folder: Path) -> None:
    """It can be used as it stands."""
    page = (ROOT / "docs" / "sidecar.md").read_text()
    config = read_web_config(write(folder, page.partition("```yaml\n")[2].partition("```")[0]))
    assert config.tls
    assert config.tls.verify_mode is ssl.CERT_REQUIRED
    assert (list(config.users), list(config.tokens)) == (["prometheus"], ["agent"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("basic_auth_user: {a: b}", "does not know basic_auth_user in the file"),
        (f"{TLS}, client_allowed_sans: [a]}}", "does not know client_allowed_sans"),
        (f"{TLS}, cipher_suites: [a]}}", "does not know cipher_suites"),
        (f"{TLS}, client_auth_type: RequestClientCert}}", "does not know client_auth_type RequestClientCert"),
        (f"{TLS}, client_auth_type: VerifyClientCertIfGiven}}", "require each other"),
        (f"{TLS}, client_ca_file: ca.pem}}", "require each other"),
        (f"{TLS}, min_version: TLS10}}", "does not know min_version TLS10; it knows TLS12, TLS13"),
        (f"{TLS}, min_version: TLS13, max_version: TLS12}}", "min_version is above max_version"),
        ("tls_server_config: {cert_file: server.pem}", "needs cert_file and key_file"),
        ("tls_server_config: {cert_file: server.pem, key_file: other.key}", "they do not match"),
        ("tls_server_config: {cert_file: ca.key, key_file: server.key}", "cannot be read: No such file"),
        ("tls_server_config: [a]", "tls_server_config must have fields"),
        ("tls_server_config: []", "tls_server_config must have fields"),
        ("tls_server_config: {}", "needs cert_file and key_file"),
        ('tls_server_config: {cert_file: "a\\0b", key_file: b}', "a text of more than one line"),
        ("basic_auth_users: false", "basic_auth_users must map names to texts"),
        ("basic_auth_users: []", "basic_auth_users must map names to texts"),
        ("bearer_tokens: 0", "bearer_tokens must map names to texts"),
        ("bearer_tokens: {a: s3cret}\nbearer_tokens:", "it is not valid YAML, in line 1"),
        ("[" * 20_000, "it is not valid YAML"),
        ("http_server_config: {http2: true}", "http2 can only be false"),
        ("http_server_config: {headers: {Server: a}}", "does not know Server in headers"),
        ('http_server_config: {headers: {X-Frame-Options: "a\\nb"}}', "more than one line"),
        ("basic_auth_users: {a: s3cret}", "for a is not a bcrypt hash"),
        ("basic_auth_users: {a: 1}", "must map names to texts"),
        ("bearer_tokens: {a: s3cret}", "for a is not a SHA-256"),
        ("basic_auth_users: {a: s3cret", "is not valid YAML, in line 1"),
        ("a: !!python/name:os.system s3cret", "is not valid YAML"),
        ("- s3cret", "the file must have fields"),
        ("\x00", "is not valid YAML"),
    ],
)
def test_what_labkit_cannot_do_is_refused(folder: Path, text: str, message: str) -> None:
    """The file and what is wrong with it are named, secrets are not; nothing is ignored."""
    with pytest.raises(LabkitError) as refused:
        read_web_config(write(folder, text))
    assert message in str(refused.value)
    assert str(folder / "web.yml") in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_a_missing_file_is_named(folder: Path) -> None:
    with pytest.raises(LabkitError, match=r"none\.yml: No such file"):
        read_web_config(folder / "none.yml")
