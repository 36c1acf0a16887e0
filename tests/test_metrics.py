"""What Prometheus sees: the contract's names, bounded labels, and buckets that fit the targets."""

from __future__ import annotations

import threading
from typing import get_args

import numpy as np
import pytest
from prometheus_client import generate_latest

from app.bundle import Manifest, Target
from app.genome.haplotypes.edits import Reason
from app.histograms import PENDING_VALUES, Histogram
from app.metrics import (
    LATENCY_SECONDS,
    MOST_SEQUENCES_KEPT,
    PHASES,
    SKIP_REASONS,
    BatchRun,
    Metrics,
    ModelMetrics,
    _value_edges,
)
from tests.toy import gc_manifest

# Names of the wire contract that this version feeds, and a few more, by the process that feeds them.
BOTH = {"build_info", "model_info", "workers_ready", "event_loop_lag_seconds"}
ASKING = {
    "requests_total",
    "request_seconds",
    "phase_seconds",
    "sequences_total",
    "sequence_tokens",
    "queue_jobs",
    "queue_tokens",
    "queue_oldest_seconds",
    "shed_total",
    "expired_total",
    "cancelled_total",
    "deduplicated_total",
    "ready",
    "prediction_value",
    "target_mean",
    "target_standard_deviation",
    "haplotypes_total",
    "distinct_haplotypes_total",
    "variants_skipped_total",
}
COMPUTING = {
    "tokens_total",
    "padded_tokens_total",
    "batch_sequences",
    "batch_tokens",
    "batch_seconds",
    "queue_wait_seconds",
    "worker_busy_seconds_total",
    "out_of_memory_total",
    "compute_threads",
    "cpu_fallback",
}
REDIS = {"redis_up", "redis_errors_total"}
ASKING_REDIS, COMPUTING_REDIS = {"late_replies_total"}, {"reclaimed_total", "dead_total"}
LABELS = {"route", "code", "model", "outcome", "reason", "phase", "priority", "le", "version", "sha256", "target"}


def _metrics(**roles: bool) -> tuple[Metrics, ModelMetrics]:
    metrics = Metrics(**roles)
    manifest = Manifest.model_validate(gc_manifest("gc") | {"files": {"model.onnx": "0" * 64}})
    return metrics, ModelMetrics(metrics, manifest, "0" * 64)


@pytest.mark.parametrize(
    ("roles", "names"),
    [
        ({"redis": False}, BOTH | ASKING | COMPUTING),
        ({"computes": False}, BOTH | ASKING | REDIS | ASKING_REDIS),
        ({"asks": False}, BOTH | COMPUTING | REDIS | COMPUTING_REDIS),
    ],
    ids=["alone", "asks through redis", "computes through redis"],
)
def test_a_process_exposes_what_it_feeds_and_nothing_else(roles: dict[str, bool], names: set[str]) -> None:
    metrics, _ = _metrics(**roles)
    lines = generate_latest(metrics.registry).decode().splitlines()
    exposed = {line.split()[2] for line in lines if line.startswith("# TYPE basecast_")}
    assert exposed == {f"basecast_{name}" for name in names}


def test_a_route_is_counted_from_zero() -> None:
    metrics, _ = _metrics()
    metrics.expect("/predict")
    value = metrics.registry.get_sample_value
    assert value("basecast_requests_total", {"route": "/predict", "code": "503"}) == 0
    assert value("basecast_request_seconds_count", {"route": "/predict"}) == 0
    metrics.request("/predict", "503", 0.1)
    assert value("basecast_requests_total", {"route": "/predict", "code": "503"}) == 1


def test_each_reason_for_skipping_a_variant_is_counted_from_zero() -> None:
    assert set(SKIP_REASONS) == set(get_args(Reason))
    metrics, _ = _metrics()
    assert metrics.registry.get_sample_value("basecast_variants_skipped_total", {"reason": "masked"}) == 0


def test_what_the_model_was_trained_on_stands_beside_what_it_predicts() -> None:
    metrics, model = _metrics()
    model.values[0].observe_all([0.6, 0.7])
    labels, value = {"model": "gc", "target": "gc_fraction"}, metrics.registry.get_sample_value
    assert value("basecast_target_mean", labels) == 0.5
    assert value("basecast_target_standard_deviation", labels) == 0.1
    assert value("basecast_prediction_value_sum", labels) == pytest.approx(1.3)


def test_labels_are_those_of_the_contract() -> None:
    metrics, _ = _metrics()
    ours = [family for family in metrics.registry.collect() if family.name.startswith("basecast")]
    assert {label for family in ours for sample in family.samples for label in sample.labels} <= LABELS


def test_latency_buckets_run_from_a_quarter_millisecond_to_half_a_minute() -> None:
    assert LATENCY_SECONDS[0] == 0.00025
    assert LATENCY_SECONDS[-1] == 30
    assert list(LATENCY_SECONDS) == sorted(LATENCY_SECONDS)
    assert len(LATENCY_SECONDS) == 21


def test_a_batch_counts_its_padding() -> None:
    metrics, model = _metrics()
    model.batch(BatchRun(rows=2, tokens=8, padded_tokens=10, seconds=0.5, waited_seconds=0.25))
    value = metrics.registry.get_sample_value
    assert value("basecast_tokens_total", {"model": "gc"}) == 8
    assert value("basecast_padded_tokens_total", {"model": "gc"}) == 10
    assert value("basecast_worker_busy_seconds_total") == 0.5
    assert value("basecast_queue_wait_seconds_sum", {"model": "gc"}) == 0.25


def test_a_request_counts_its_phases_and_the_time_in_all() -> None:
    metrics, _ = _metrics()
    metrics.request("/predict", "200", 0.5, {"parse": 0.125, "compute": 0.25})
    metrics.request("/models", "200", 0.25)
    value = metrics.registry.get_sample_value
    sums = {phase: value("basecast_phase_seconds_sum", {"phase": phase}) for phase in PHASES}
    assert sums == {"parse": 0.125, "tokenize": 0, "queue": 0, "compute": 0.25, "total": 0.5}
    assert value("basecast_request_seconds_sum", {"route": "/models"}) == 0.25


@pytest.mark.parametrize("sequences", [2, MOST_SEQUENCES_KEPT + 1])
def test_predictions_are_counted_by_length_and_by_value(sequences: int) -> None:
    metrics, model = _metrics()
    model.predicted([20] * sequences, [[0.25]] * sequences)
    value = metrics.registry.get_sample_value
    assert value("basecast_sequences_total", {"model": "gc", "outcome": "ok"}) == sequences
    assert value("basecast_sequence_tokens_sum", {"model": "gc"}) == 20 * sequences
    assert value("basecast_prediction_value_sum", {"model": "gc", "target": "gc_fraction"}) == 0.25 * sequences


def test_queue_gauges_read_the_queue_when_they_are_scraped() -> None:
    metrics, model = _metrics()
    load = [(1, 10, 0.5)]
    model.watch_queue(lambda: load[-1])
    load.append((2, 20, 1.5))
    value = metrics.registry.get_sample_value
    assert value("basecast_queue_jobs", {"model": "gc"}) == 2
    assert value("basecast_queue_tokens", {"model": "gc"}) == 20
    assert value("basecast_queue_oldest_seconds", {"model": "gc"}) == 1.5


def test_value_buckets_lie_around_the_training_mean() -> None:
    target = Target(
        name="t", unit="1", scale="linear", higher_means="x", description="x", mean=10, standard_deviation=2
    )
    histogram = Histogram(_value_edges(target))
    histogram.observe_all([1.9, 2.0, 10.0, 18.1])
    buckets, total = histogram.buckets()
    assert (buckets[0], buckets[-2], buckets[-1]) == (("2", 2.0), ("18", 3.0), ("+Inf", 4.0))
    assert dict(buckets)["10"] == 3  # an edge belongs to its bucket
    np.testing.assert_allclose(total, 32.0, rtol=1e-6)


def test_a_histogram_holds_no_more_values_than_it_sorts_at_once_and_loses_none() -> None:
    histogram = Histogram(np.array([0.5]))
    threads = [threading.Thread(target=lambda: [histogram.observe(1.0) for _ in range(10_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        histogram.buckets()
    assert len(histogram._pending) < PENDING_VALUES
    assert histogram.buckets() == ([("0.5", 0.0), ("+Inf", 40_000.0)], 40_000.0)
