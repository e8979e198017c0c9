"""Options are checked once, and a difference is told in words."""

from typing import Any

import pytest

from labkit.errors import StackError
from labkit.stack.options import Options


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"ports": "some"}, "'fixed' or 'auto'"),
        ({"sidecar": "other"}, "'labkit' or 'redis_exporter'"),
        ({"server": "keydb"}, "'valkey' or 'redis'"),
        ({"scrape_interval": 0}, "0.1 to 86400"),
        ({"flush_interval": -1}, "0.1 to 86400"),
        ({"ttl": "long"}, "0.1 to 86400"),
        ({"ttl": float("nan")}, "0.1 to 86400"),
        ({"ttl": True}, "0.1 to 86400"),
    ],
)
def test_nonsense_is_refused(option: dict[str, Any], message: str) -> None:
    """The message names the option, what was given, and what makes sense."""
    (name,) = option
    with pytest.raises(StackError, match=rf"^{name}=.*{message}"):
        Options(**option)


def test_differences_are_told() -> None:
    """What runs comes first, what was asked for second; equal options have no differences."""
    running = Options(scrape_interval=1, ports="auto")
    assert running.differences(Options(scrape_interval=1.0, ports="auto")) == []
    assert running.differences(Options(scrape_interval=0.5, ports="auto")) == ["scrape_interval is 1, not 0.5"]
    assert running.differences(Options(scrape_interval=1)) == ["ports is auto, not fixed"]
