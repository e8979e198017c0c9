"""What a page needs to know of each kind of metric; how a series of it becomes lines, `rendering` says."""

from collections.abc import Mapping
from dataclasses import dataclass

from labkit.sidecar.rendering import QUANTILES


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What follows the name of a metric in its samples, and in the gauges of its `quantiles`.

    In OpenMetrics, what is `cumulative` also says when it began, and cannot be negative; and the name of a counter has
    a `suffix` that the name of its family does not have.
    """

    samples: tuple[str, ...] = ("",)
    quantiles: tuple[str, ...] = ()
    cumulative: bool = False
    suffix: str = ""


# Of one name, the first is on the page.
KINDS: Mapping[str, Kind] = {
    "histogram": Kind(samples=("_bucket", "_sum", "_count"), quantiles=tuple(QUANTILES), cumulative=True),
    "counter": Kind(cumulative=True, suffix="_total"),
    "gauge": Kind(),
}
