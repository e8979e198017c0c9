"""The sidecar over TLS, with users; and what it never says."""

import ssl
from hashlib import sha256
from pathlib import Path

import bcrypt
import httpx
import pytest
import trustme

from harness.redis_server import RedisServer
from harness.sidecar_process import SidecarProcess
from tests.sidecar.test_web import SERIES, lines, record


class Authority(trustme.CA):
    """Issues certificates, and contexts for clients that trust it."""

    def certify(self, folder: Path) -> None:
        """Write a certificate for the server."""
        issued = self.issue_cert("127.0.0.1")
        (folder / "server.pem").write_bytes(issued.cert_chain_pems[0].bytes())
        (folder / "server.key").write_bytes(issued.private_key_pem.bytes())

    def client(self, issuer: trustme.CA | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.configure_trust(context)
        if issuer:
            issuer.issue_cert("client@example.org").configure_cert(context)
        return context


def status(sidecar: SidecarProcess, context: ssl.SSLContext, secret: httpx.Auth | None = None) -> int | None:
    """The status of a scrape over TLS; None if there is no connection."""
    url = sidecar.url.replace("http:", "https:")
    try:
        return httpx.get(f"{url}/metrics", verify=context, auth=secret, trust_env=False, timeout=10).status_code
    except httpx.TransportError:
        return None


def test_tls_client_certificates_and_users_together(own_server: RedisServer, tmp_path: Path) -> None:
    """Without a certificate of the authority there is no connection; without the password, no page."""
    ours, theirs = Authority(), Authority()
    ours.certify(tmp_path)
    ours.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "web.yml").write_text(f"""
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
basic_auth_users: {{prometheus: {bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}}}
""")
    known = httpx.BasicAuth("prometheus", "secret")
    with SidecarProcess(own_server.url, tmp_path, "--web.config.file", "web.yml") as sidecar:
        assert status(sidecar, ours.client(ours), known) == 200
        assert status(sidecar, ours.client(ours), httpx.BasicAuth("prometheus", "guess")) == 401
        assert status(sidecar, ours.client(ours)) == 401
        assert status(sidecar, ours.client(theirs), known) is None
        assert status(sidecar, ours.client(), known) is None
        assert status(sidecar, theirs.client(ours), known) is None
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{sidecar.url}/metrics", trust_env=False)


def test_sighup_reads_the_web_configuration_again(own_server: RedisServer, tmp_path: Path) -> None:
    """New certificates and tokens count for the next connection; a broken file is logged, and the old one stays."""
    old, new = Authority(), Authority()
    files = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
    old.certify(tmp_path)
    path = tmp_path / "web.yml"
    path.write_text(files)
    with SidecarProcess(own_server.url, tmp_path, "--web.config.file", str(path)) as sidecar:
        assert (status(sidecar, old.client()), status(sidecar, new.client())) == (200, None)
        new.certify(tmp_path)
        path.write_text(files + f"bearer_tokens: {{agent: {sha256(b'a').hexdigest()}}}")
        sidecar.hang_up("web.yml has been reloaded.")
        assert (status(sidecar, old.client()), status(sidecar, new.client())) == (None, 401)
        for broken in ("basic_auth_users: {a: b}", "tls_server_config: {}", ""):
            path.write_text(broken)
            sidecar.hang_up("The old web configuration stays in use.")
            assert status(sidecar, new.client()) == 401


def test_a_web_configuration_that_cannot_be_used_is_one_message(tmp_path: Path) -> None:
    """Nothing is served unprotected in the meantime."""
    from tests.cli.test_app import labkit

    done = labkit(tmp_path, "exporter", "--listen", "127.0.0.1:1", "--web.config.file", str(tmp_path / "none.yml"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")


def test_the_password_of_redis_is_nobodys_business(own_server: RedisServer, tmp_path: Path) -> None:
    """It is not in the list of processes, the log or any page; and it works."""
    record(own_server.url)
    own_server.client.config_set("requirepass", "s3cret")
    environment = {"LABKIT_REDIS_PASSWORD": "s3cret"}
    with SidecarProcess(own_server.url, tmp_path, **environment) as sidecar:
        assert SERIES in lines(sidecar)
        own_server.kill()
        pages = [httpx.get(sidecar.url + path, trust_env=False).text for path in ("/", "/metrics", "/-/ready")]
        command = Path(f"/proc/{sidecar.process.pid}/cmdline").read_text()
        assert "exporter" in command
        assert not any("s3cret" in text for text in (command, sidecar.log, *pages))
