"""URLs: what cannot be one fails with the way out, and no password is ever shown."""

import pytest

from labkit.connection import connect, redact
from labkit.errors import ConnectionFailed


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:s3cret@host:6379/0", "redis://:***@host:6379/0"),
        ("redis://user:s3c:r@et@host/0", "redis://user:***@host/0"),
        ("redis://host/0?password=s3cret&db=1", "redis://host/0?password=***&db=1"),
        ("rediss://host/0?ssl_password=s3cret", "rediss://host/0?ssl_password=***"),
        ("redis://:s3/cret@host/0", "redis://***"),
        ("redis://:s3#cret@host/0", "redis://***"),
        ("redis://[::1", "(unreadable URL)"),
    ],
)
def test_a_password_is_hidden(url: str, shown: str) -> None:
    """Wherever it stands, and also where the URL is broken by it."""
    assert redact(url) == shown


@pytest.mark.parametrize("url", ["http://host", "redis://:s3/cret@host/0", "redis://:s3cret@host:port", "nonsense"])
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    """The message says what a URL looks like, and nothing of the secret."""
    with pytest.raises(ConnectionFailed, match="one looks like") as caught:
        connect(url)
    assert "s3" not in str(caught.value)
