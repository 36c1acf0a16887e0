"""Every Prometheus collector of the service, declared once and bound to its labels before the first request.

Labels are route templates, codes, model names, outcomes, reasons, phases and priorities: never anything a caller sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
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
SHED_REASONS = ("queue_full", "deadline", "draining")
OUTCOMES = ("ok", "refused", "error")
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
        self.values = ValueHistograms()
        self.registry.register(self.values)

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
        histogram = partial(Histogram, registry=self.registry, buckets=LATENCY_SECONDS)
        self.requests = counter("basecast_requests", "Requests answered.", ("route", "code"))
        self.request_seconds = histogram("basecast_request_seconds", "Request to reply.", ("route",))
        phases = histogram("basecast_phase_seconds", "Phases of prediction requests.", ("phase",))
        self._phases = {phase: phases.labels(phase) for phase in PHASES}
        shed = counter("basecast_shed", "Requests turned away.", ("reason",))
        self._shed = {reason: shed.labels(reason) for reason in SHED_REASONS}
        self.sequences = counter("basecast_sequences", "Sequences by what became of them.", ("model", "outcome"))
        self.deduplicated = counter(
            "basecast_deduplicated", "Sequences answered by an equal one in flight.", ("model",)
        )

    def _declare_batches(self) -> None:
        counter = partial(Counter, labelnames=("model",), registry=self.registry)
        histogram = partial(Histogram, labelnames=("model",), registry=self.registry)
        self.tokens = counter("basecast_tokens", "Tokens computed, padding aside.")
        self.padded_tokens = counter("basecast_padded_tokens", "Tokens computed, padding included.")
        self.out_of_memory = counter("basecast_out_of_memory", "Batches the device could not hold.")
        self.batch_sequences = histogram("basecast_batch_sequences", "Rows of a batch.", buckets=BATCH_ROWS)
        self.batch_tokens = histogram("basecast_batch_tokens", "Padded tokens of a batch.", buckets=BATCH_TOKENS)
        self.queue_wait = histogram("basecast_queue_wait_seconds", "Submitted to started.", buckets=LATENCY_SECONDS)
        self.batch_seconds = histogram("basecast_batch_seconds", "Time in the model.", buckets=LATENCY_SECONDS)

    def _declare_queue(self) -> None:
        counter = partial(Counter, labelnames=("model",), registry=self.registry)
        gauge = partial(Gauge, labelnames=("model",), registry=self.registry)
        self.queue_jobs = gauge("basecast_queue_jobs", "Sequences that wait.")
        self.queue_tokens = gauge("basecast_queue_tokens", "Tokens that wait.")
        self.queue_oldest = gauge("basecast_queue_oldest_seconds", "Age of the oldest waiting sequence.")
        self.expired = counter("basecast_expired", "Sequences whose deadline passed in the queue.")
        self.cancelled = counter("basecast_cancelled", "Sequences nobody waited for any more.")

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
    """

    def __init__(self, metrics: Metrics, manifest: Manifest, sha256: str, label: str = "") -> None:
        name = label or manifest.name
        metrics.model_info.labels(name).info({"version": manifest.version, "sha256": sha256})
        self.shed = metrics.shed
        self.expired = metrics.expired.labels(name)
        self.cancelled = metrics.cancelled.labels(name)
        self.deduplicated = metrics.deduplicated.labels(name)
        self.out_of_memory = metrics.out_of_memory.labels(name)
        self.values = metrics.values.add(name, manifest.targets)
        self._sequences = {outcome: metrics.sequences.labels(name, outcome) for outcome in OUTCOMES}
        self._busy_seconds = metrics.busy_seconds
        self._tokens, self._padded_tokens = metrics.tokens.labels(name), metrics.padded_tokens.labels(name)
        self._batch_sequences = metrics.batch_sequences.labels(name)
        self._batch_tokens = metrics.batch_tokens.labels(name)
        self._batch_seconds = metrics.batch_seconds.labels(name)
        self._queue_wait = metrics.queue_wait.labels(name)
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


def _reading(load: Callable[[], tuple[int, int, float]], position: int) -> float:
    return load()[position]


class ValueHistogram:
    """How one target's predictions are distributed, in buckets around its training targets.

    Args:
        target: gives the edges, so that drift shows as counts that move between them.
    """

    def __init__(self, target: Target) -> None:
        self._edges = target.mean + VALUE_EDGES * target.standard_deviation
        self._counts = np.zeros(len(self._edges) + 1, dtype=np.int64)
        self._sum = 0.0

    def observe(self, values: npt.NDArray[np.float32]) -> None:
        """Add the predictions of one request: (sequences,)."""
        np.add.at(self._counts, np.searchsorted(self._edges, values), 1)
        self._sum += float(values.sum(dtype=np.float64))

    def buckets(self) -> tuple[list[tuple[str, float]], float]:
        """Cumulative counts by upper edge, as Prometheus wants them, and the sum of all values."""
        edges = [*(f"{edge:.6g}" for edge in self._edges), "+Inf"]
        return list(zip(edges, self._counts.cumsum().astype(float), strict=True)), self._sum


class ValueHistograms(Collector):
    """`basecast_prediction_value`: one histogram a model and target, each with edges of its own."""

    def __init__(self) -> None:
        self._histograms: dict[tuple[str, str], ValueHistogram] = {}

    def add(self, model: str, targets: Iterable[Target]) -> Sequence[ValueHistogram]:
        """Begin to collect a model's targets; in their order."""
        added = {(model, target.name): ValueHistogram(target) for target in targets}
        self._histograms |= added
        return tuple(added.values())

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(
            "basecast_prediction_value", "Predicted values, in the target's unit.", labels=("model", "target")
        )
        for labels, histogram in self._histograms.items():
            buckets, total = histogram.buckets()
            family.add_metric(labels, buckets, total)
        yield family
