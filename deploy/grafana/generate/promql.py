"""The few forms of expressions that dashboards repeat; the window of a rate is Grafana's, four scrapes at least."""

from __future__ import annotations

WINDOW = "$__rate_interval"
PREDICTIONS = 'route=~"/predict.*|/v2/.*/infer"'


def rate(series: str, by: str = "") -> str:
    """How much counters grow in a second, together or by some of their labels."""
    return f"{_sum(by)} (rate({series}[{WINDOW}]))"


def share(part: str, whole: str) -> str:
    """One thing of another; nothing where there is none of the other."""
    return f"{part} / ({whole} > 0)"


def mean(histogram: str, labels: str = "", by: str = "") -> str:
    """The mean of what a histogram was told."""
    chosen = f"{{{labels}}}" if labels else ""
    return share(rate(f"{histogram}_sum{chosen}", by), rate(f"{histogram}_count{chosen}", by))


def quantile(q: float, histogram: str, labels: str = "", by: str = "") -> str:
    """A quantile of what a histogram was told."""
    chosen = f"{{{labels}}}" if labels else ""
    return f"histogram_quantile({q}, {rate(f'{histogram}_bucket{chosen}', f'le, {by}' if by else 'le')})"


def buckets(histogram: str, labels: str = "") -> str:
    """How many values fell into each bucket."""
    chosen = f"{{{labels}}}" if labels else ""
    return f"sum by (le) (increase({histogram}_bucket{chosen}[{WINDOW}]))"


def _sum(by: str) -> str:
    return f"sum by ({by})" if by else "sum"
