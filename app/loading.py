"""From a folder of bundles to graphs that are verified, and workers that serve them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.batch_record import BatchRecord
from app.batching import BatchLimits
from app.bundle import HEAD, Bundle, find_bundles, read_bundle
from app.compute_threads import ComputeThreads
from app.engine import MEASURE, MEASURE_PADDED, PAIR, OnnxGraph
from app.errors import BundleError, DeviceLost, OutOfMemory
from app.metrics import Metrics, ModelMetrics
from app.queue import JobSource
from app.recovery import RecoveringModel
from app.segmented_engine import open_graphs
from app.strategy import Measured, Strategy, Tuning, choose_limits, here_seconds
from app.tracing import Tracing
from app.watchdog import Speed, Watchdog
from app.worker import Worker

UNTUNED = Tuning()


@dataclass(frozen=True)
class Compute:
    """What all models of a process compute with.

    Attributes:
        pool: the compute threads.
        threads: how many.
        watchdog: watches what they do.
    """

    pool: ComputeThreads
    threads: int
    watchdog: Watchdog

    @classmethod
    def of(cls, threads: int, watchdog: Watchdog) -> Compute:
        """So many threads, which a watchdog watches."""
        return cls(ComputeThreads(threads), threads, watchdog)


@dataclass(frozen=True)
class LoadedGraph:
    """A verified graph, how fast it is, and how it is served.

    Attributes:
        bundle: that it is of.
        name: of its file.
    """

    bundle: Bundle
    name: str
    graph: OnnxGraph
    strategy: Strategy
    speed: Speed

    @property
    def work_digest(self) -> str:
        """What names its work in queues."""
        return self.bundle.work_digest(self.name)


@dataclass(frozen=True)
class Records:
    """How the batches of a process are written down.

    Attributes:
        worker: the process.
        info_from_ms: batches that take this long or longer are lines of level info.
    """

    worker: str
    info_from_ms: float
    tracing: Tracing

    def of(self, bundle: Bundle, graph: str) -> BatchRecord:
        """Those of one graph."""
        name = bundle.manifest.versioned_name + _part(graph)
        return BatchRecord(name, bundle.sha256, self.worker, self.info_from_ms, self.tracing)


def read_bundles(models: Path) -> list[Bundle]:
    """Every bundle of the folder, by name; of several versions the newest comes first, and is the default.

    Raises:
        BundleError: there is none, or one of them cannot be trusted.
    """
    bundles = [read_bundle(path) for path in find_bundles(models)]
    bundles.sort(key=lambda bundle: _parsed(bundle.manifest.version), reverse=True)
    bundles.sort(key=lambda bundle: bundle.manifest.name)
    names = [bundle.manifest.versioned_name for bundle in bundles]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BundleError(f"{twice[0]} is there in {len(twice)} folders; keep one of them")
    return bundles


def count_each(bundles: Sequence[Bundle], metrics: Metrics) -> list[tuple[ModelMetrics, ...]]:
    """Collectors for each graph of each bundle, the first of which count what is the bundle's.

    They go by the bundle's name, or `name@version` where several versions are served; a head by that and `/head`.
    """
    names = [bundle.manifest.name for bundle in bundles]
    return [_count(bundle, metrics, unique=names.count(bundle.manifest.name) == 1) for bundle in bundles]


def load(
    bundle: Bundle,
    device: str,
    allow_cpu: bool,
    watchdog: Watchdog,
    tuning: Tuning = UNTUNED,
    *,
    time_longest: bool = False,
) -> list[LoadedGraph]:
    """Open a bundle's graphs on a device, let them prove themselves, and choose how to serve them.

    Args:
        bundle: verified.
        device, allow_cpu: where, and whether the CPU may stand in.
        watchdog: will watch their batches.
        tuning: what the operator has chosen.
        time_longest: measure the longest input too, where others have to know how long to wait.

    Raises:
        BundleError: it does not open there, or predicts something else than it promises.
    """
    threads, multiple = tuning.intra_op_threads, tuning.length_multiple
    graphs = open_graphs(bundle, device, threads=threads, allow_cpu=allow_cpu, length_multiple=multiple)
    return [
        _measured(bundle, name, graph, watchdog, tuning, time_longest=time_longest)
        for name, graph in zip(bundle.manifest.graphs, graphs, strict=True)
    ]


def _measured(
    bundle: Bundle, name: str, graph: OnnxGraph, watchdog: Watchdog, tuning: Tuning, *, time_longest: bool
) -> LoadedGraph:
    # What a head reads is no tokens but the numbers of all its segments' embeddings.
    segments = bundle.manifest.input.segments if name == HEAD else None
    may_be_padded = bundle.manifest.input.encoding == "tokens" and name != HEAD
    row_seconds = graph.row_seconds(MEASURE_PADDED if may_be_padded else MEASURE)
    row_tokens = len(graph.example_row())
    seconds_per_token = row_seconds[PAIR] / row_tokens
    limits = choose_limits(
        bundle.manifest,
        Measured(graph.on_cpu, seconds_per_token, row_seconds, row_tokens),
        tuning,
        watchdog_seconds=watchdog.limit_seconds,
        tokens_per_position=len(graph.longest_row()) // segments.count if segments else 1,
    )
    if not graph.on_cpu:
        limits = fitted(graph, limits)
    strategy = Strategy(limits, tuning.intra_op_threads, graph.length_multiple)
    longest_seconds = _longest_seconds(graph, seconds_per_token) if time_longest else math.inf
    return LoadedGraph(bundle, name, graph, strategy, Speed(seconds_per_token, longest_seconds))


def fitted(graph: OnnxGraph, limits: BatchLimits) -> BatchLimits:
    """The limits, lowered until the largest batch that they allow fits into the device's memory.

    It is computed first of all, so that what ONNX Runtime keeps of the memory is large enough for every other one; what
    did not fit may have left that in pieces, so the session is opened anew.

    Raises:
        BundleError: the session does not open again.
    """
    row = graph.longest_row()
    while (rows := min(limits.max_sequences, limits.max_tokens // len(row))) > 1:
        try:
            graph.predict([row] * rows)
        except OutOfMemory:
            limits = replace(limits, max_tokens=rows * len(row) // 2)
            graph.rebuild()
        else:
            break
    return limits


def hire(loaded: LoadedGraph, source: JobSource, compute: Compute, counted: ModelMetrics, records: Records) -> Worker:
    """A worker that serves a source of jobs with a graph."""
    counted.watch_device(compute.threads, lambda: loaded.graph.fell_back)
    return Worker(
        source,
        RecoveringModel(loaded.graph),
        loaded.strategy.limits,
        compute.pool,
        compute.threads,
        counted,
        compute.watchdog,
        loaded.speed,
        records.of(loaded.bundle, loaded.name),
        here_seconds(compute.threads, on_cpu=loaded.graph.on_cpu),
    )


def _count(bundle: Bundle, metrics: Metrics, *, unique: bool) -> tuple[ModelMetrics, ...]:
    manifest, sha256 = bundle.manifest, bundle.sha256
    label = manifest.name if unique else manifest.versioned_name
    return tuple(ModelMetrics(metrics, manifest, sha256, label, _part(graph)) for graph in manifest.graphs)


def _part(graph: str) -> str:
    """What is said behind a model's name of the graph that is not its first."""
    return "/head" if graph == HEAD else ""


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _longest_seconds(graph: OnnxGraph, seconds_per_token: float) -> float:
    try:
        return graph.time_longest()
    except DeviceLost:
        raise
    except Exception:  # noqa: BLE001 - whoever sends such an input is told so; others need not suffer
        return seconds_per_token * len(graph.longest_row())
