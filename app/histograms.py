"""Histograms for Prometheus that cost a request next to nothing: values are kept, and sorted many at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

PENDING_VALUES = 4096


class Histogram:
    """Counts values by bucket; cheap to feed, for it sorts them many at a time.

    The Prometheus client's own histogram searches and locks for each value, which costs a request more than reading it.

    Args:
        edges: upper edges of the buckets, without the last, which is infinite.
    """

    def __init__(self, edges: npt.NDArray[np.float64]) -> None:
        self._edges = edges
        self._counts = np.zeros(len(edges) + 1, dtype=np.int64)
        self._sum = 0.0
        self._pending: deque[float] = deque()  # its methods are atomic: threads feed it, a scrape empties it
        self._sorting = threading.Lock()

    def observe(self, value: float) -> None:
        """Add a value."""
        self._pending.append(value)
        if len(self._pending) >= PENDING_VALUES:
            self._sort()

    def observe_all(self, values: Iterable[float]) -> None:
        """Add several."""
        self._pending.extend(values)
        if len(self._pending) >= PENDING_VALUES:
            self._sort()

    def _sort(self) -> None:
        with self._sorting:
            values = np.array([self._pending.popleft() for _ in range(len(self._pending))])
            places = np.searchsorted(self._edges, values)  # a value on an edge belongs below it
            self._counts += np.bincount(places, minlength=len(self._counts))
            self._sum += float(values.sum())

    def buckets(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulative counts by upper edge, as Prometheus wants them, and the sum of all values."""
        self._sort()
        edges = [*(f"{edge:.6g}" for edge in self._edges), "+Inf"]
        return list(zip(edges, self._counts.cumsum().astype(float), strict=True)), self._sum


class Histograms(Collector):
    """One metric with a histogram for each combination of its labels.

    Args:
        name, documentation: of the metric.
        labels: names of its labels.
        edges: of the buckets, unless a histogram has its own.
        registry: where it is registered.
    """

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], edges: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name, self._documentation, self._labels = name, documentation, labels
        self._edges = np.array(edges)
        self._histograms: dict[tuple[str, ...], Histogram] = {}
        registry.register(self)

    def labels(self, *labels: str, edges: npt.NDArray[np.float64] | None = None) -> Histogram:
        """The histogram of these labels."""
        if labels not in self._histograms:
            self._histograms[labels] = Histogram(self._edges if edges is None else edges)
        return self._histograms[labels]

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        for labels, histogram in list(self._histograms.items()):
            family.add_metric(labels, *histogram.buckets())
        yield family
