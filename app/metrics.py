"""Every Prometheus collector of the service, declared once and bound to its labels before the first request.

Labels are route templates, codes, model names, outcomes, reasons, phases and priorities: never anything a caller sent.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app import __version__
from app.bundle import Manifest, Target

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which no dashboard of ours reads

LATENCY_SECONDS = (
    *(ms / 1000 for ms in (0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 25, 50, 75, 100, 150, 250, 500)),
    *(1.0, 2.5, 5.0, 10.0, 30.0),
)
BATCH_ROWS = tuple(float(2**power) for power in range(11))  # 1 to 1,024
BATCH_TOKENS = tuple(float(2**power) for power in range(4, 21))  # 16 to 1,048,576
PHASES = ("parse", "tokenize", "queue", "compute", "total")
SHED_REASONS = ("in_flight", "queue_full", "deadline", "draining")
OUTCOMES = ("ok", "refused", "error")
REDIS_ERRORS = ("connection", "timeout", "authentication", "read_only", "full", "refused", "malformed")
PENDING_VALUES = 4096
VALUE_EDGES = np.arange(-4, 4.5, 0.5)  # in standard deviations around the mean of the training targets


class Metrics:
    """The collectors of one process, on a registry of their own so that several apps can share a process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(self.registry)
        self._declare_process()
        self._declare_requests()
        self._declare_batches()
        self._declare_queue()
        self._declare_redis()
        self._declare_people()
        self.values = self._histograms("prediction_value", "Predicted values, in the target's unit.", "model", "target")

    def _declare_process(self) -> None:
        gauge = partial(Gauge, registry=self.registry)
        self.ready = gauge("basecast_ready", "1 while requests are taken.")
        self.workers_ready = gauge("basecast_workers_ready", "Workers with a verified model.")
        self.busy_seconds = Counter("basecast_worker_busy_seconds", "Time spent in the models.", registry=self.registry)
        self.loop_lag = gauge("basecast_event_loop_lag_seconds", "How late the event loop wakes a sleeper.")
        self.model_info = Info("basecast_model", "The bundles served.", ("model",), registry=self.registry)
        Info("basecast_build", "The running version.", registry=self.registry).info({"version": __version__})

    def _declare_requests(self) -> None:
        counter = partial(Counter, registry=self.registry)
        self.requests = counter("basecast_requests", "Requests answered.", ("route", "code"))
        self._requests: dict[tuple[str, str], Counter] = {}
        self.request_seconds = self._histograms("request_seconds", "Request to reply.", "route")
        phases = self._histograms("phase_seconds", "Phases of prediction requests.", "phase")
        self._phases = {phase: phases.labels(phase) for phase in PHASES}
        shed = counter("basecast_shed", "Requests turned away.", ("reason",))
        self._shed = {reason: shed.labels(reason) for reason in SHED_REASONS}
        self.sequences = counter("basecast_sequences", "Sequences by what became of them.", ("model", "outcome"))
        self.deduplicated = counter(
            "basecast_deduplicated", "Sequences answered by an equal one in flight.", ("model",)
        )

    def _declare_batches(self) -> None:
        counter = partial(Counter, labelnames=("model",), registry=self.registry)
        self.tokens = counter("basecast_tokens", "Tokens computed, padding aside.")
        self.padded_tokens = counter("basecast_padded_tokens", "Tokens computed, padding included.")
        self.out_of_memory = counter("basecast_out_of_memory", "Batches the device could not hold.")
        self.batch_sequences = self._histograms("batch_sequences", "Rows of a batch.", "model", edges=BATCH_ROWS)
        self.batch_tokens = self._histograms("batch_tokens", "Padded tokens of a batch.", "model", edges=BATCH_TOKENS)
        self.queue_wait = self._histograms("queue_wait_seconds", "Submitted to started.", "model")
        self.batch_seconds = self._histograms("batch_seconds", "Time in the model.", "model")

    def _declare_queue(self) -> None:
        counter = partial(Counter, labelnames=("model",), registry=self.registry)
        gauge = partial(Gauge, labelnames=("model",), registry=self.registry)
        self.queue_jobs = gauge("basecast_queue_jobs", "Sequences that wait.")
        self.queue_tokens = gauge("basecast_queue_tokens", "Tokens that wait.")
        self.queue_oldest = gauge("basecast_queue_oldest_seconds", "Age of the oldest waiting sequence.")
        self.expired = counter("basecast_expired", "Sequences whose deadline passed in the queue.")
        self.cancelled = counter("basecast_cancelled", "Sequences nobody waited for any more.")

    def _declare_redis(self) -> None:
        counter = partial(Counter, registry=self.registry)
        self.reclaimed = counter(
            "basecast_reclaimed", "Sequences taken over from a worker that fell silent.", ("model",)
        )
        self.dead = counter("basecast_dead", "Sequences given up after they took several workers down.", ("model",))
        self.late_replies = counter("basecast_late_replies", "Replies that nobody waited for any more.")
        self.redis_up = Gauge("basecast_redis_up", "1 while Redis answers.", registry=self.registry)
        errors = counter("basecast_redis_errors", "What went wrong with Redis.", ("reason",))
        self.redis_errors = {reason: errors.labels(reason) for reason in REDIS_ERRORS}

    def _declare_people(self) -> None:
        counter = partial(Counter, registry=self.registry)
        self.haplotypes = counter("basecast_haplotypes", "Haplotypes of people answered for.", ("model",))
        self.distinct_haplotypes = counter("basecast_distinct_haplotypes", "Distinct ones of these.", ("model",))
        self.variants_skipped = counter(
            "basecast_variants_skipped", "Variants of haplotypes that were not applied.", ("reason",)
        )

    def _histograms(
        self, name: str, documentation: str, *labels: str, edges: Sequence[float] = LATENCY_SECONDS
    ) -> Histograms:
        return Histograms(f"basecast_{name}", documentation, labels, edges, self.registry)

    def request(self, route: str, code: str, seconds: float) -> None:
        """Count a request that was answered."""
        self._count(route, code)
        self.request_seconds.labels(route).observe(seconds)

    def headless(self, code: str) -> None:
        """Count a request that was refused before its head was whole: it has no route, and no time that tells much."""
        self._count("unknown", code)

    def _count(self, route: str, code: str) -> None:
        child = self._requests.get((route, code))
        if child is None:  # labels() takes longer than counting
            child = self._requests[route, code] = self.requests.labels(route, code)
        child.inc()

    def shed(self, reason: str) -> None:
        """Count a request that was turned away."""
        self._shed[reason].inc()

    def phase(self, name: str, seconds: float) -> None:
        """Record how long one request spent in one phase."""
        self._phases[name].observe(seconds)


class ModelMetrics:
    """The collectors of one model, bound to its name.

    Args:
        metrics: the process's collectors.
        manifest: the model's.
        sha256: digest of its bundle.
        label: what the model is called; its name, or `name@version` where several versions are served.
        part: what stands behind that for a graph that does not count what is the whole model's.
    """

    def __init__(self, metrics: Metrics, manifest: Manifest, sha256: str, label: str = "", part: str = "") -> None:
        name = (label or manifest.name) + part
        self.values = [] if part else _values(metrics, manifest, name)
        if not part:
            metrics.model_info.labels(name).info({"version": manifest.version, "sha256": sha256})
        self.shed = metrics.shed
        self.expired = metrics.expired.labels(name)
        self.cancelled = metrics.cancelled.labels(name)
        self.deduplicated = metrics.deduplicated.labels(name)
        self.out_of_memory = metrics.out_of_memory.labels(name)
        self.reclaimed = metrics.reclaimed.labels(name)
        self.dead = metrics.dead.labels(name)
        self._sequences = {outcome: metrics.sequences.labels(name, outcome) for outcome in OUTCOMES}
        self._busy_seconds = metrics.busy_seconds
        self._tokens, self._padded_tokens = metrics.tokens.labels(name), metrics.padded_tokens.labels(name)
        self._batch_sequences = metrics.batch_sequences.labels(name)
        self._batch_tokens = metrics.batch_tokens.labels(name)
        self._batch_seconds = metrics.batch_seconds.labels(name)
        self._queue_wait = metrics.queue_wait.labels(name)
        self._haplotypes = metrics.haplotypes.labels(name)
        self._distinct_haplotypes = metrics.distinct_haplotypes.labels(name)
        self._variants_skipped = metrics.variants_skipped
        self._queue_gauges = [
            gauge.labels(name) for gauge in (metrics.queue_jobs, metrics.queue_tokens, metrics.queue_oldest)
        ]

    def watch_queue(self, load: Callable[[], tuple[int, int, float]]) -> None:
        """Let the queue's gauges read its load (jobs, tokens, oldest seconds) whenever they are scraped."""
        for position, gauge in enumerate(self._queue_gauges):
            gauge.set_function(partial(_reading, load, position))

    def sequences(self, outcome: str, count: int) -> None:
        """Count sequences that were answered (`ok`), refused, or failed (`error`)."""
        self._sequences[outcome].inc(count)

    def haplotypes(self, count: int, distinct: int) -> None:
        """Count haplotypes of people that were answered for, and the distinct ones among them."""
        self._haplotypes.inc(count)
        self._distinct_haplotypes.inc(distinct)

    def variant_skipped(self, reason: str) -> None:
        """Count a variant of a haplotype that was not applied."""
        self._variants_skipped.labels(reason).inc()

    def batch(self, rows: int, tokens: int, padded_tokens: int, seconds: float) -> None:
        """Record one batch that the model has run."""
        self._busy_seconds.inc(seconds)
        self._tokens.inc(tokens)
        self._padded_tokens.inc(padded_tokens)
        self._batch_sequences.observe(rows)
        self._batch_tokens.observe(padded_tokens)
        self._batch_seconds.observe(seconds)

    def queue_wait(self, seconds: float) -> None:
        """Record how long the first job of a batch waited."""
        self._queue_wait.observe(seconds)


def _values(metrics: Metrics, manifest: Manifest, name: str) -> list[Histogram]:
    return [metrics.values.labels(name, target.name, edges=_value_edges(target)) for target in manifest.targets]


def _reading(load: Callable[[], tuple[int, int, float]], position: int) -> float:
    return load()[position]


def _value_edges(target: Target) -> npt.NDArray[np.float64]:
    """Edges around the training targets, so that drift shows as counts that move between them."""
    return target.mean + VALUE_EDGES * target.standard_deviation


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
