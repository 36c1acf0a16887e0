"""Every Prometheus collector of the service, declared once and bound to its labels before the first request.

Labels are route templates, codes, model names, outcomes, reasons, phases and priorities: never anything a caller sent.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

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

from app import __version__
from app.bundle import Manifest, Target
from app.histograms import Histogram, Histograms
from app.ledger import LedgerRegistry

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which no dashboard of ours reads

LATENCY_SECONDS = (
    *(ms / 1000 for ms in (0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 25, 50, 75, 100, 150, 250, 500)),
    *(1.0, 2.5, 5.0, 10.0, 30.0),
)
BATCH_ROWS = tuple(float(2**power) for power in range(11))  # 1 to 1,024
TOKENS = tuple(float(2**power) for power in range(4, 21))  # 16 to 1,048,576
EXPECTED_CODES = ("200", "400", "404", "422", "429", "499", "500", "503", "504")
PHASES = ("parse", "tokenize", "queue", "compute", "total")
SHED_REASONS = ("in_flight", "queue_full", "deadline", "draining")
OUTCOMES = ("ok", "refused", "error")
REDIS_ERRORS = ("connection", "timeout", "authentication", "read_only", "full", "refused", "malformed")
SKIP_REASONS = ("overlap", "unsupported_allele", "unknown_length", "reference_mismatch", "masked")
TIMER_SECONDS = 0.001  # by which an event loop may be early
# A request of more is counted at once, so that what is kept stays small, and is soon counted.
MOST_SEQUENCES_KEPT = 8
VALUE_EDGES = np.arange(-4, 4.5, 0.5)  # in standard deviations around the mean of the training targets


class Request(NamedTuple):
    """A request that was answered.

    Attributes:
        phases: seconds in each, if it had any; nobody changes them any more.
    """

    route: str
    code: str
    seconds: float
    phases: Mapping[str, float]


class BatchRun(NamedTuple):
    """A batch that a model has run.

    Attributes:
        seconds: in the model.
        waited_seconds: of its first job.
    """

    rows: int
    tokens: int
    padded_tokens: int
    seconds: float
    waited_seconds: float


class Predicted(NamedTuple):
    """A request's sequences that were predicted for.

    Attributes:
        tokens: of each.
        values: of each, for every target.
    """

    tokens: Sequence[int]
    values: Sequence[Sequence[float]]


class Metrics:
    """The collectors of one process, on a registry of their own so that several apps can share a process.

    What the process never feeds it does not expose: a 0 would say that something was looked at.

    Args:
        asks: it answers requests.
        computes: it runs models.
        redis: its queue is in Redis.
    """

    def __init__(self, *, asks: bool = True, computes: bool = True, redis: bool = True) -> None:
        self.registry, nowhere = LedgerRegistry(), CollectorRegistry()
        self._asking = self.registry if asks else nowhere
        self._computing = self.registry if computes else nowhere
        self._redis = self.registry if redis else nowhere
        self._asking_redis = self.registry if asks and redis else nowhere
        self._computing_redis = self.registry if computes and redis else nowhere
        ProcessCollector(registry=self.registry)
        PlatformCollector(self.registry)
        self._declare_process()
        self._declare_requests()
        self._declare_batches()
        self._declare_queue()
        self._declare_redis()
        self._declare_people()
        self._declare_models()
        self._answered = self.registry.keep(self._count_requests)

    def _declare_process(self) -> None:
        gauge = partial(Gauge, registry=self.registry)
        self.ready = Gauge("basecast_ready", "1 while requests are taken.", registry=self._asking)
        self.workers_ready = gauge("basecast_workers_ready", "Live workers with a verified model.", ("model",))
        self.loop_lag = gauge(
            "basecast_event_loop_lag_seconds",
            "How late the event loop woke a sleeper at worst, of the last 15 seconds.",
        )
        self.model_info = Info("basecast_model", "The bundles served.", ("model",), registry=self.registry)
        Info("basecast_build", "The running version.", registry=self.registry).info({"version": __version__})

    def _declare_requests(self) -> None:
        counter = partial(Counter, registry=self._asking)
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
        counter = partial(Counter, labelnames=("model",), registry=self._computing)
        histograms = partial(self._histograms, registry=self._computing)
        self.busy_seconds = Counter(
            "basecast_worker_busy_seconds", "Time spent in the models.", registry=self._computing
        )
        self.compute_threads = Gauge("basecast_compute_threads", "Batches computed at once.", registry=self._computing)
        self.cpu_fallback = Gauge(
            "basecast_cpu_fallback",
            "1 while the CPU computes what a GPU was to.",
            ("model",),
            registry=self._computing,
        )
        self.tokens = counter("basecast_tokens", "Tokens computed, padding aside.")
        self.padded_tokens = counter("basecast_padded_tokens", "Tokens computed, padding included.")
        self.out_of_memory = counter("basecast_out_of_memory", "Batches the device could not hold.")
        self.batch_sequences = histograms("batch_sequences", "Rows of a batch.", "model", edges=BATCH_ROWS)
        self.batch_tokens = histograms("batch_tokens", "Padded tokens of a batch.", "model", edges=TOKENS)
        self.queue_wait = histograms("queue_wait_seconds", "Submitted to started.", "model")
        self.batch_seconds = histograms("batch_seconds", "Time in the model.", "model")

    def _declare_queue(self) -> None:
        counter = partial(Counter, labelnames=("model",), registry=self._asking)
        gauge = partial(Gauge, labelnames=("model",), registry=self._asking)
        self.queue_jobs = gauge("basecast_queue_jobs", "Sequences that wait.")
        self.queue_tokens = gauge("basecast_queue_tokens", "Tokens that wait.")
        self.queue_oldest = gauge("basecast_queue_oldest_seconds", "Age of the oldest waiting sequence.")
        self.expired = counter("basecast_expired", "Sequences whose deadline passed before they were answered.")
        self.cancelled = counter("basecast_cancelled", "Sequences whose caller left before that.")

    def _declare_redis(self) -> None:
        counter = partial(Counter, labelnames=("model",), registry=self._computing_redis)
        self.reclaimed = counter("basecast_reclaimed", "Sequences taken over from a worker that fell silent.")
        self.dead = counter("basecast_dead", "Sequences given up after they took several workers down.")
        self.late_replies = Counter(
            "basecast_late_replies", "Replies that nobody waited for any more.", registry=self._asking_redis
        )
        self.redis_up = Gauge("basecast_redis_up", "1 while Redis answers.", registry=self._redis)
        errors = Counter("basecast_redis_errors", "What went wrong with Redis.", ("reason",), registry=self._redis)
        self.redis_errors = {reason: errors.labels(reason) for reason in REDIS_ERRORS}

    def _declare_people(self) -> None:
        counter = partial(Counter, registry=self._asking)
        self.haplotypes = counter("basecast_haplotypes", "Haplotypes of people answered for.", ("model",))
        self.distinct_haplotypes = counter("basecast_distinct_haplotypes", "Distinct ones of these.", ("model",))
        self.variants_skipped = counter(
            "basecast_variants_skipped", "Variants of haplotypes that were not applied.", ("reason",)
        )
        for reason in SKIP_REASONS:
            self.variants_skipped.labels(reason)

    def _declare_models(self) -> None:
        gauge = partial(Gauge, labelnames=("model", "target"), registry=self._asking)
        self.values = self._histograms("prediction_value", "Predicted values, in the target's unit.", "model", "target")
        self.target_mean = gauge("basecast_target_mean", "Mean of the training targets, in their unit.")
        self.target_deviation = gauge("basecast_target_standard_deviation", "Standard deviation of the same.")
        self.sequence_tokens = self._histograms(
            "sequence_tokens", "Length of the sequences predicted for.", "model", edges=TOKENS
        )

    def _histograms(
        self,
        name: str,
        documentation: str,
        *labels: str,
        edges: Sequence[float] = LATENCY_SECONDS,
        registry: CollectorRegistry | None = None,
    ) -> Histograms:
        return Histograms(f"basecast_{name}", documentation, labels, edges, registry or self._asking)

    def expect(self, route: str) -> None:
        """Begin to count a route at 0, so that its first failure shows as an increase."""
        self.request_seconds.labels(route)
        for code in EXPECTED_CODES:
            self._requests[route, code] = self.requests.labels(route, code)

    def request(self, route: str, code: str, seconds: float, phases: Mapping[str, float] | None = None) -> None:
        """Record a request that was answered, and how long it spent in each phase."""
        self._answered.write(Request(route, code, seconds, phases or {}))

    def _count_requests(self, requests: Sequence[Request]) -> None:
        for (route, code), count in Tally((it.route, it.code) for it in requests).items():
            self._count(route, code, count)
        for request in requests:
            self.request_seconds.labels(request.route).observe(request.seconds)
            for phase, seconds in request.phases.items():
                self._phases[phase].observe(seconds)
        self._phases["total"].observe_all([it.seconds for it in requests if it.phases])

    def headless(self, code: str) -> None:
        """Count a request that was refused before its head was whole: it has no route, and no time that tells much."""
        self._count("unknown", code)

    def _count(self, route: str, code: str, count: int = 1) -> None:
        child = self._requests.get((route, code))
        if child is None:  # labels() takes longer than counting
            child = self._requests[route, code] = self.requests.labels(route, code)
        child.inc(count)

    def shed(self, reason: str) -> None:
        """Count a request that was turned away."""
        self._shed[reason].inc()


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
        self.sequence_tokens = metrics.sequence_tokens.labels(name)
        if not part:
            metrics.model_info.labels(name).info({"version": manifest.version, "sha256": sha256})
            for target in manifest.targets:
                metrics.target_mean.labels(name, target.name).set(target.mean)
                metrics.target_deviation.labels(name, target.name).set(target.standard_deviation)
        self.shed = metrics.shed
        self.expired = metrics.expired.labels(name)
        self.cancelled = metrics.cancelled.labels(name)
        self.deduplicated = metrics.deduplicated.labels(name)
        self.out_of_memory = metrics.out_of_memory.labels(name)
        self.reclaimed = metrics.reclaimed.labels(name)
        self.dead = metrics.dead.labels(name)
        self._sequences = {outcome: metrics.sequences.labels(name, outcome) for outcome in OUTCOMES}
        self._workers_ready = metrics.workers_ready.labels(name)
        self._busy_seconds, self._compute_threads = metrics.busy_seconds, metrics.compute_threads
        self._cpu_fallback = metrics.cpu_fallback.labels(name)
        self._tokens, self._padded_tokens = metrics.tokens.labels(name), metrics.padded_tokens.labels(name)
        self._batch_sequences = metrics.batch_sequences.labels(name)
        self._batch_tokens = metrics.batch_tokens.labels(name)
        self._batch_seconds = metrics.batch_seconds.labels(name)
        self._queue_wait = metrics.queue_wait.labels(name)
        self._haplotypes = metrics.haplotypes.labels(name)
        self._distinct_haplotypes = metrics.distinct_haplotypes.labels(name)
        self._variants_skipped = metrics.variants_skipped
        self._runs = metrics.registry.keep(self._count_batches)
        self._predicted = metrics.registry.keep(self._count_predictions)
        self._queue_gauges = [
            gauge.labels(name) for gauge in (metrics.queue_jobs, metrics.queue_tokens, metrics.queue_oldest)
        ]

    def watch_queue(self, load: Callable[[], tuple[int, int, float]]) -> None:
        """Let the queue's gauges read its load (jobs, tokens, oldest seconds) whenever they are scraped."""
        for position, gauge in enumerate(self._queue_gauges):
            gauge.set_function(partial(_reading, load, position))

    def watch_workers(self, ready: Callable[[], int]) -> None:
        """Let the gauge of workers read how many are ready whenever it is scraped."""
        self._workers_ready.set_function(ready)

    def watch_device(self, threads: int, fell_back: Callable[[], bool]) -> None:
        """Tell what computes: how many batches at once, and whether it is a CPU that stands in for a GPU."""
        self._compute_threads.set(threads)
        self._cpu_fallback.set_function(fell_back)

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

    def left(self, deadlines: Sequence[float], now: float) -> None:
        """Count sequences that nobody waits for any more: their deadline has passed, or their caller has gone."""
        expired = sum(deadline <= now + TIMER_SECONDS for deadline in deadlines)
        self.expired.inc(expired)
        self.cancelled.inc(len(deadlines) - expired)

    def batch(self, run: BatchRun) -> None:
        """Record one batch that the model has run."""
        self._runs.write(run)

    def _count_batches(self, runs: Sequence[BatchRun]) -> None:
        rows, tokens, padded_tokens, seconds, waited_seconds = zip(*runs, strict=True)
        self._busy_seconds.inc(sum(seconds))
        self._tokens.inc(sum(tokens))
        self._padded_tokens.inc(sum(padded_tokens))
        self._batch_sequences.observe_all(rows)
        self._batch_tokens.observe_all(padded_tokens)
        self._batch_seconds.observe_all(seconds)
        self._queue_wait.observe_all(waited_seconds)

    def predicted(self, tokens: Sequence[int], values: Sequence[Sequence[float]]) -> None:
        """Record what was predicted for the sequences of a request, by target, and how many tokens each had."""
        predicted = Predicted(tokens, values)
        if len(tokens) > MOST_SEQUENCES_KEPT:
            self._count_predictions([predicted])
        else:
            self._predicted.write(predicted)

    def _count_predictions(self, requests: Sequence[Predicted]) -> None:
        tokens = list(chain.from_iterable(it.tokens for it in requests))
        self.sequences("ok", len(tokens))
        self.sequence_tokens.observe_all(tokens)
        by_target = zip(*chain.from_iterable(it.values for it in requests), strict=True)
        for histogram, column in zip(self.values, by_target, strict=True):
            histogram.observe_all(column)


def _values(metrics: Metrics, manifest: Manifest, name: str) -> list[Histogram]:
    return [metrics.values.labels(name, target.name, edges=_value_edges(target)) for target in manifest.targets]


def _reading(load: Callable[[], tuple[int, int, float]], position: int) -> float:
    return load()[position]


def _value_edges(target: Target) -> npt.NDArray[np.float64]:
    """Edges around the training targets, so that drift shows as counts that move between them."""
    return target.mean + VALUE_EDGES * target.standard_deviation
