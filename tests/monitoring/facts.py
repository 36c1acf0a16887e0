"""What happened in the scene, for tests to compare with what panels show."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

# Of rates. Longer than the workers stand still, or a counter's values before and after are never seen in one window.
WINDOW_SECONDS = 10


@dataclass
class Facts:
    """What happened.

    Attributes:
        began, ended: of the whole, in seconds since 1970.
        steady_at: the end of the steady load.
        stopped_at: a moment at which no worker works.
        api, workers: their addresses, as Prometheus names them; the second worker dies.
        fallback: 1 if the second worker had to compute on the CPU.
        codes: how often which route answered what.
        answered: when each request of the steady load was answered, by its model.
        haplotypes, distinct_haplotypes: of the first question about people; `all_haplotypes` of all.
    """

    began: float = 0.0
    ended: float = 0.0
    steady_at: float = 0.0
    stopped_at: float = 0.0
    api: str = ""
    workers: list[str] = field(default_factory=list)
    fallback: float = 0.0
    codes: Counter[tuple[str, int]] = field(default_factory=Counter)
    answered: list[tuple[float, str]] = field(default_factory=list)
    haplotypes: int = 0
    distinct_haplotypes: int = 0
    all_haplotypes: int = 0
    variants_skipped: int = 0
    worker_bytes: int = 0
    redis_bytes: int = 0

    def steady_rate(self, *models: str) -> float:
        """Requests a second, over the window that a rate at `steady_at` sees."""
        since = self.steady_at - WINDOW_SECONDS
        return sum(since < at <= self.steady_at and model in models for at, model in self.answered) / WINDOW_SECONDS

    def predictions(self, *statuses: int) -> int:
        """Requests for predictions with these answers, or with any."""
        return sum(count for (_, status), count in self.codes.items() if not statuses or status in statuses)
