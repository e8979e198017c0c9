"""The script as the stock exporter calls it: the samples that it gets."""

import redis

from labkit.resources import resource

SCRIPT = resource("lua", "redis-exporter.lua").read_text(encoding="utf-8")


def script_samples(client: redis.Redis) -> dict[str, str]:
    """Return the text of each value by its sample; it is a mistake to get one sample twice."""
    flat = client.eval(SCRIPT, 0, "0")
    assert isinstance(flat, list)
    assert all(isinstance(item, bytes) for item in flat)
    assert len(set(flat[::2])) == len(flat) // 2
    texts = [item.decode() for item in flat]
    return dict(zip(texts[::2], texts[1::2], strict=True))
