"""One way to reach Redis: over TLS, with certificates that may be renewed, or become unreadable, while it runs."""

import logging
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final

import redis

log = logging.getLogger("labkit")

_FILES: Final = {"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password"}
TLS_OPTIONS: Final = _FILES | {"ssl_cert_reqs", "ssl_check_hostname", "ssl_min_version", "ssl_ciphers"}
_VERIFY: Final = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class Tls:
    """What a `rediss://` URL says about certificates: the values of `TLS_OPTIONS` that it has.

    Raises:
        ValueError: an option cannot be used; the message names it, and not its value.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._complained = False
        self._context = self._read()

    def context(self) -> ssl.SSLContext:
        """Return what the files say now; or what they said before, if this process may no longer read them."""
        try:
            self._context, self._complained = self._read(), False
        except ValueError as error:
            if not self._complained:
                self._complained = True
                log.warning("The certificates for Redis are those read before, because now %s.", error)
        return self._context

    def _read(self) -> ssl.SSLContext:
        given = self._options
        # The authorities that the system trusts, and those that the URL names.
        context = ssl.create_default_context()
        if (verify := _VERIFY.get(given.get("ssl_cert_reqs", "required"))) is None:
            raise ValueError("ssl_cert_reqs must be none, optional or required")
        context.check_hostname = verify != ssl.CERT_NONE and given.get("ssl_check_hostname") is not False
        context.verify_mode = verify
        self._restrict(context)
        self._load_authorities(context)
        self._load_identity(context)
        return context

    def _restrict(self, context: ssl.SSLContext) -> None:
        try:
            context.minimum_version = ssl.TLSVersion(self._options.get("ssl_min_version", ssl.TLSVersion.TLSv1_2))
        except ValueError:
            raise ValueError("ssl_min_version must be 771 for TLS 1.2 or 772 for TLS 1.3") from None
        try:
            context.set_ciphers(self._options.get("ssl_ciphers", "DEFAULT"))
        except ssl.SSLError:
            raise ValueError("no cipher is left by ssl_ciphers") from None

    def _load_authorities(self, context: ssl.SSLContext) -> None:
        file, folder = self._options.get("ssl_ca_certs"), self._options.get("ssl_ca_path")
        if file is None and folder is None:
            return
        try:
            context.load_verify_locations(file, folder)
        except (OSError, ValueError) as error:
            raise ValueError(f"the files of ssl_ca_certs or ssl_ca_path cannot be read{_why(error)}") from None

    def _load_identity(self, context: ssl.SSLContext) -> None:
        certificate, key = self._options.get("ssl_certfile", ""), self._options.get("ssl_keyfile")
        if not certificate and key is None:
            return
        files = "ssl_certfile and ssl_keyfile"
        try:
            # Without a password, OpenSSL would prompt for it on the terminal.
            context.load_cert_chain(certificate, key, self._options.get("ssl_password", ""))
        except ssl.SSLError:
            wrong = "do not match or are damaged, or ssl_password does not decrypt the key"
            raise ValueError(f"{files} {wrong}") from None
        except (OSError, ValueError) as error:
            raise ValueError(f"the files of {files} cannot be read{_why(error)}") from None


class TlsConnection(redis.Connection):
    """A connection that reads its certificates anew each time it connects."""

    def __init__(self, *, tls: Tls, **options: Any) -> None:
        self._tls = tls
        super().__init__(**options)  # type: ignore[no-untyped-call]  # upstream

    def _connect(self) -> socket.socket:
        plain: socket.socket = super()._connect()  # type: ignore[no-untyped-call]  # upstream
        try:
            return self._tls.context().wrap_socket(plain, server_hostname=self.host)
        except OSError as error:
            plain.close()
            if _is_no_tls(error):
                raise redis.ConnectionError(
                    f"{self.host}:{self.port} took the connection, but did not answer in TLS ({error}). "
                    "Is it a port for plain connections? Those begin with redis://"
                ) from None
            raise


def _is_no_tls(error: OSError) -> bool:
    # A plain server waits for the rest of what it takes for a command, or answers it with an error.
    return isinstance(error, TimeoutError) or getattr(error, "reason", "") in {
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
    }


def _why(error: Exception) -> str:
    said = getattr(error, "strerror", "")
    return f" ({said})" if said else ""
