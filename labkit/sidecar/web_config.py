"""The sidecar's web configuration: the file that Prometheus' exporters take with `--web.config.file`.

docs/sidecar.md says which of its fields labkit knows. What it does not know is refused, never ignored: a protection
that somebody asked for but that is missing would be worse than none.
"""

import re
import ssl
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError

_SECTIONS = {"tls_server_config", "http_server_config", "basic_auth_users", "bearer_tokens"}
_TLS = {"cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version", "max_version"}
_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_HEADERS = {
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
}
_BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-9])\$[./A-Za-z0-9]{53}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Fields = dict[str, Any]


@dataclass(frozen=True)
class WebConfig:
    """How the sidecar protects what it serves; by default, it does not.

    `users` has the bcrypt hash of each user's password, `tokens` the SHA-256 of each token in hexadecimal.
    """

    tls: ssl.SSLContext | None = None
    users: Mapping[str, bytes] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def read_web_config(path: Path) -> WebConfig:
    """Return what the file says; the files it names are read, too, relative to its own folder.

    Raises:
        LabkitError: a file cannot be read, or contains what labkit does not know or cannot do.
    """
    try:
        fields = _section(_parse(path), "the file", _SECTIONS)
        return WebConfig(
            tls=_tls(fields["tls_server_config"], path.parent) if fields.get("tls_server_config") is not None else None,
            users={name: text.encode() for name, text in _secrets(fields, "basic_auth_users", _BCRYPT).items()},
            tokens=_secrets(fields, "bearer_tokens", _SHA256),
            headers=_headers(fields.get("http_server_config")),
        )
    except OSError as error:
        raise LabkitError(f"{path}: {error.filename or path}: {error.strerror or error}.") from None
    except _Refused as error:
        raise LabkitError(f"{path}: {error}.") from None


class _Refused(Exception):
    """What is wrong with the file; it quotes no secret."""


def _parse(path: Path) -> object:
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses a field that is there twice: the last one would silently win, and it may be empty."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            names = [str(key.value) for key, _ in node.value]
            if len(set(names)) < len(names):
                raise yaml.MarkedYAMLError(problem_mark=node.start_mark)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506  a SafeLoader
    except yaml.MarkedYAMLError as error:
        # The error itself may quote a secret.
        where = f", in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise _Refused(f"it is not valid YAML{where}") from None
    except (yaml.YAMLError, UnicodeError, RecursionError):
        raise _Refused("it is not valid YAML in UTF-8") from None


def _section(value: object, name: str, known: set[str]) -> Fields:
    """Return the fields of a section, none if it is empty."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _Refused(f"{name} must have fields, as in `name: value`")
    if unknown := sorted(str(key) for key in value if key not in known):
        raise _Refused(f"labkit does not know {', '.join(unknown)} in {name}; it knows {', '.join(sorted(known))}")
    return value


def _texts(value: object, name: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for pair in value.items() for item in pair):
        raise _Refused(f"{name} must map names to texts, as in `name: text`")
    if any(control in item for control in "\n\r\0" for pair in value.items() for item in pair):
        raise _Refused(f"{name} has a text of more than one line")
    return value


def _secrets(fields: Fields, name: str, form: re.Pattern[str]) -> dict[str, str]:
    secrets = _texts({} if fields.get(name) is None else fields[name], name)
    wanted = "a bcrypt hash" if form is _BCRYPT else "a SHA-256 in lowercase hexadecimal digits"
    if wrong := [user for user, secret in secrets.items() if not form.fullmatch(secret)]:
        raise _Refused(f"the value in {name} for {', '.join(wrong)} is not {wanted}")
    return secrets


def _headers(value: object) -> dict[str, str]:
    http = _section(value, "http_server_config", {"http2", "headers"})
    if http.get("http2", False) is not False:
        raise _Refused("http2 can only be false: labkit speaks HTTP/1.1")
    return _texts(_section(http.get("headers"), "headers", _HEADERS), "headers")


def _tls(value: object, folder: Path) -> ssl.SSLContext:
    fields = _texts(_section(value, "tls_server_config", _TLS), "tls_server_config")
    if not {"cert_file", "key_file"} <= fields.keys():
        raise _Refused("tls_server_config needs cert_file and key_file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _choice(fields, "min_version", "TLS12", _VERSIONS)
    context.maximum_version = _choice(fields, "max_version", "TLS13", _VERSIONS)
    if context.minimum_version > context.maximum_version:
        raise _Refused("min_version is above max_version")
    verify = _choice(fields, "client_auth_type", "NoClientCert", _CLIENT_AUTH)
    if (verify is ssl.CERT_NONE) != ("client_ca_file" not in fields):
        raise _Refused("client_ca_file and a client_auth_type that verifies require each other")
    _load(context, fields, folder)
    context.verify_mode = verify
    return context


def _choice(fields: dict[str, str], name: str, default: str, choices: dict[str, Any]) -> Any:
    if (value := fields.get(name, default)) not in choices:
        raise _Refused(f"labkit does not know {name} {value}; it knows {', '.join(choices)}")
    return choices[value]


def _load(context: ssl.SSLContext, fields: dict[str, str], folder: Path) -> None:
    try:
        # Without a password, OpenSSL would prompt on the terminal for that of an encrypted key.
        context.load_cert_chain(folder / fields["cert_file"], folder / fields["key_file"], "")
        if "client_ca_file" in fields:
            context.load_verify_locations(folder / fields["client_ca_file"])
    except ssl.SSLError:
        raise _Refused("a certificate or key is invalid, they do not match, or the key is encrypted") from None
    except OSError as error:
        named = ", ".join(value for name, value in fields.items() if name.endswith("_file"))
        raise _Refused(f"one of {named} cannot be read: {error.strerror}") from None
