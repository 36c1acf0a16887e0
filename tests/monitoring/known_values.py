"""What panels must show of the scene, worked out from what was done in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.monitoring.facts import WINDOW_SECONDS, Facts
from tests.monitoring.prometheus import SCRAPE_SECONDS, Series
from tests.monitoring.scene import (
    BASES,
    EQUAL,
    QUEUED_JOBS,
    QUEUED_TOKENS,
    SEQUENCES,
    SHED,
    STALL_SECONDS,
    STOPPED_SECONDS,
    WRONG_BASES,
)
from tests.monitoring.stage import MAX_MEMORY_BYTES

Reading = Callable[[Series, Facts], float]


@dataclass(frozen=True)
class Known:
    """One value that a panel must show.

    Attributes:
        legend: how the series is called there; instances by what `{api}` and `{workers[0]}` stand for.
        read: what is looked at.
        low, high: the value lies between these.
    """

    panel: str
    legend: str
    read: Reading
    low: Callable[[Facts], float]
    high: Callable[[Facts], float]

    def __str__(self) -> str:
        return f"{self.panel}, {self.legend or 'its series'}: {self.read.__name__}"


def steady(series: Series, facts: Facts) -> float:
    """At the end of the steady load."""
    return _at(series, facts.steady_at)


def stopped(series: Series, facts: Facts) -> float:
    """While no worker works."""
    return _at(series, facts.stopped_at - SCRAPE_SECONDS)


def _at(series: Series, time: float) -> float:
    return float(series.values[np.searchsorted(series.times, time, side="right") - 1])


def peak(series: Series, _: Facts) -> float:
    """The highest ever."""
    return float(np.nanmax(series.values))


def usual(series: Series, _: Facts) -> float:
    """What most scrapes saw."""
    return float(np.nanmedian(series.values))


def lowest(series: Series, _: Facts) -> float:
    """The lowest ever."""
    return float(np.nanmin(series.values))


def last(series: Series, _: Facts) -> float:
    """At the end."""
    return float(series.values[~np.isnan(series.values)][-1])


def times(series: Series, _: Facts) -> float:
    """How often a thing happened, by a panel of how often it does in a second."""
    return float(np.nansum(series.values)) * SCRAPE_SECONDS


def times_in_windows(series: Series, _: Facts) -> float:
    """The same by a panel of how often it happened in a window."""
    return float(np.nansum(series.values)) * SCRAPE_SECONDS / WINDOW_SECONDS


def about(panel: str, legend: str, read: Reading, value: Callable[[Facts], float], tolerance: float = 0.0) -> Known:
    """A value that is known, but for moments between scrapes."""
    return Known(
        panel, legend, read, lambda it: value(it) - tolerance * abs(value(it)), lambda it: value(it) * (1 + tolerance)
    )


def exactly(panel: str, legend: str, read: Reading, value: float) -> Known:
    """A value that is known."""
    return Known(panel, legend, read, lambda _: value - 1e-6, lambda _: value + 1e-6)


def between(panel: str, legend: str, read: Reading, low: float, high: float = np.inf) -> Known:
    """A value of which the bounds are known."""
    return Known(panel, legend, read, lambda _: low, lambda _: high)


RATE, ONCE = 0.15, 0.25  # how far a rate, and the count of a single event, may be off
DAMAGE = 0.001

KNOWN = [
    about("service: Predictions", "", steady, lambda it: it.steady_rate("gc", "mean-id"), RATE),
    about("service: Budget of failures", "1 h", last,
          lambda it: it.predictions(503, 504) / it.predictions() / DAMAGE, ONCE),
    exactly("service: Failed", "", steady, 0),
    exactly("service: API processes ready", "", steady, 1),
    exactly("service: API processes ready", "", stopped, 0),
    about("service: Requests by route", "/predict", steady, lambda it: it.steady_rate("gc", "mean-id"), RATE),
    about("service: Requests by route", "/predict/individual", times, lambda _: 2, ONCE),
    *(about("service: Errors by code", str(code), times, lambda it, code=code: it.predictions(code), ONCE)
      for code in (404, 422, 499, 503, 504)),
    exactly("service: Errors by code", "500", peak, 0),
    about("service: Turned away", "queue_full", times, lambda _: SHED, ONCE),
    exactly("service: Turned away", "in_flight", peak, 0),
    exactly("service: Versions", "basecast-api 0.1.0", last, 1),
    exactly("service: Versions", "basecast-worker 0.1.0", steady, 2),
    about("service: All requests by time", "+Inf", times_in_windows, lambda it: it.predictions(), ONCE),
    between("service: Where the time goes", "queue", peak, 0.5 * STOPPED_SECONDS),
    between("service: Event-loop lag", "{api}", last, STALL_SECONDS - 0.6),
    between("service: Event-loop lag", "{workers[0]}", last, STOPPED_SECONDS - 0.6),
    about("service: Memory", "{workers[0]}", last, lambda it: it.worker_bytes, 0.2),
    exactly("service: Answer to Prometheus", "basecast-worker {workers[1]}", last, 0),
    exactly("service: Answer to Prometheus", "basecast-worker {workers[0]}", last, 1),
    exactly("service: Restarts", "basecast-api {api}", peak, 0),
    exactly("queue: Sequences that wait", "gc", stopped, QUEUED_JOBS),
    exactly("queue: Tokens that wait", "gc", stopped, QUEUED_TOKENS),
    between("queue: Oldest sequence", "gc", stopped, STOPPED_SECONDS - 3, STOPPED_SECONDS + 3),
    exactly("queue: Sequences that wait", "mean-id", stopped, 0),
    # One is asked for at a time, and may be there for the moment in which Prometheus looks.
    exactly("queue: Sequences that wait", "mean-id", usual, 0),
    between("queue: Sequences that wait", "mean-id", peak, 0, 1),
    between("queue: Wait of batches", "gc p99", peak, STOPPED_SECONDS, 10),
    about("queue: Left without an answer", "gc expired", times, lambda _: 1, ONCE),
    about("queue: Left without an answer", "gc cancelled", times, lambda _: 1, ONCE),
    between("queue: Taken over and given up", "gc taken over", times, 0.5),
    about("queue: Taken over and given up", "gc given up", last, lambda _: 1 / WINDOW_SECONDS, ONCE),
    about("queue: Throughput", "gc", steady, lambda it: it.steady_rate("gc") * SEQUENCES * BASES, RATE),
    about("queue: Throughput", "mean-id", steady, lambda it: it.steady_rate("mean-id") * 12, ONCE),
    between("queue: Batch size", "gc", steady, 1, SEQUENCES),
    exactly("queue: Batch size", "mean-id", steady, 1),
    exactly("queue: Padding", "gc", steady, 0),
    exactly("queue: Workers", "gc", steady, 2),
    exactly("queue: Workers", "gc", stopped, 0),
    exactly("queue: Workers", "gc", last, 1),
    between("queue: Device use", "{workers[0]}", steady, 1e-4, 0.5),
    about("queue: Device memory", "{workers[0]}", last, lambda it: it.worker_bytes, 0.2),
    exactly("queue: Compute threads", "{workers[0]}", last, 1),
    exactly("queue: CPU in place of a GPU", "{workers[0]} gc", last, 0),
    about("queue: CPU in place of a GPU", "{workers[1]} gc", steady, lambda it: it.fallback),
    about("models: Sequences", "gc", steady, lambda it: it.steady_rate("gc") * SEQUENCES, RATE),
    about("models: Refused or failed", "gc refused", times, lambda _: WRONG_BASES, ONCE),
    between("models: Answered by an equal one", "gc", peak, 0.01, (EQUAL - 1) / EQUAL),
    exactly("models: Mean length", "gc", steady, BASES),
    exactly("models: Mean length", "mean-id", steady, 12),
    between("models: Drift of the mean", "gc gc_fraction", steady, 0.99, 1.01),
    between("models: Drift of the mean", "mean-id mean_id", steady, -0.34, -0.33),
    # All predictions lie in one bucket, half a deviation wide, and so do 68 % of it.
    between("models: Spread", "gc gc_fraction", steady, 0.16, 0.18),
    between("models: Range", "gc gc_fraction 50 %", steady, 0.99, 1.51),
    about("models: Predictions by value", "+Inf", steady,
          lambda it: it.steady_rate("gc") * SEQUENCES * WINDOW_SECONDS, RATE),
    exactly("models: Training targets", "gc gc_fraction", last, 0.5),
    about("models: Haplotypes", "gc", times, lambda it: it.all_haplotypes, ONCE),
    about("models: Distinct haplotypes", "gc", lowest, lambda it: it.distinct_haplotypes / it.haplotypes, 1e-6),
    about("models: Variants skipped", "unsupported_allele", times_in_windows, lambda it: it.variants_skipped, ONCE),
    exactly("redis: Reached", "basecast-api {api}", steady, 1),
    between("redis: Errors", "connection", last, 0.5 / WINDOW_SECONDS),
    about("redis: Errors", "malformed", last, lambda _: 1 / WINDOW_SECONDS, ONCE),
    exactly("redis: Memory", "limit", last, MAX_MEMORY_BYTES),
    about("redis: Memory", "used", last, lambda it: it.redis_bytes, 0.3),
    about("redis: Memory used", "", last, lambda it: it.redis_bytes / MAX_MEMORY_BYTES, 0.3),
    exactly("redis: Keys thrown away", "", peak, 0),
    exactly("redis: Exporter", "", last, 1),
]  # fmt: skip
FIRE = ("BasecastWatchdog", "BasecastDeadLetters", "BasecastWorkReclaimed")
