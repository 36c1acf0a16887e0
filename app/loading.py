"""From a folder of bundles to models that are verified, and workers that serve them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from app.batch_record import BatchRecord
from app.batching import CPU_LIMITS, GPU_LIMITS, BatchLimits
from app.bundle import Bundle, Manifest, find_bundles, read_bundle
from app.engine import OnnxModel
from app.errors import BundleError, DeviceLost
from app.fuse import Fuse
from app.metrics import Metrics, ModelMetrics
from app.queue import JobSource
from app.recovery import RecoveringModel
from app.tracing import Tracing
from app.watchdog import PATIENCE, Speed, Watchdog
from app.worker import Worker

# Long beside the hop to a compute thread, short beside what a caller notices.
ROUND_SECONDS = 0.004


@dataclass(frozen=True)
class Compute:
    """What all models of a process compute with.

    Attributes:
        pool: the compute threads.
        threads: how many.
        watchdog: watches what they do.
    """

    pool: ThreadPoolExecutor
    threads: int
    watchdog: Watchdog

    @classmethod
    def of(cls, threads: int, watchdog_seconds: float) -> Compute:
        """So many threads, and a watchdog with a fuse of its own."""
        pool = ThreadPoolExecutor(threads, thread_name_prefix="compute")
        return cls(pool, threads, Watchdog(Fuse(), watchdog_seconds))


@dataclass(frozen=True)
class LoadedModel:
    """A verified model, how fast it is, and how its batches are formed."""

    model: OnnxModel
    limits: BatchLimits
    speed: Speed


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

    def of(self, manifest: Manifest, sha256: str) -> BatchRecord:
        """Those of one bundle."""
        return BatchRecord(manifest.versioned_name, sha256, self.worker, self.info_from_ms, self.tracing)


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


def count_each(bundles: Sequence[Bundle], metrics: Metrics) -> list[ModelMetrics]:
    """Collectors for each bundle, under its name, or `name@version` where several versions are served."""
    names = [bundle.manifest.name for bundle in bundles]
    return [
        ModelMetrics(metrics, it.manifest, it.sha256, _label(it.manifest, unique=names.count(it.manifest.name) == 1))
        for it in bundles
    ]


def load(
    bundle: Bundle, device: str, allow_cpu: bool, watchdog: Watchdog, *, time_longest: bool = False
) -> LoadedModel:
    """Open a bundle's graph on a device and let it prove itself.

    Args:
        bundle: verified.
        device, allow_cpu: where, and whether the CPU may stand in.
        watchdog: will watch the model's batches.
        time_longest: measure the longest input too, where others have to know how long to wait.

    Raises:
        BundleError: it does not open there, or predicts something else than it promises.
    """
    model = OnnxModel(bundle, device, allow_cpu=allow_cpu)
    limits = batch_limits(
        bundle.manifest,
        on_cpu=model.on_cpu,
        seconds_per_token=model.seconds_per_token,
        watchdog_seconds=watchdog.limit_seconds,
    )
    longest_seconds = _longest_seconds(model) if time_longest else math.inf
    return LoadedModel(model, limits, Speed(model.seconds_per_token, longest_seconds))


def hire(loaded: LoadedModel, source: JobSource, compute: Compute, counted: ModelMetrics, records: Records) -> Worker:
    """A worker that serves a source of jobs with a model."""
    counted.watch_device(compute.threads, lambda: loaded.model.fell_back)
    return Worker(
        source,
        RecoveringModel(loaded.model),
        loaded.limits,
        compute.pool,
        compute.threads,
        counted,
        compute.watchdog,
        loaded.speed,
        records.of(loaded.model.manifest, loaded.model.sha256),
    )


def batch_limits(manifest: Manifest, *, on_cpu: bool, seconds_per_token: float, watchdog_seconds: float) -> BatchLimits:
    """How batches are formed for a model on a device.

    On a CPU nothing is gained by a batch that keeps a core for long, so none takes nearly as long as the watchdog
    allows; on a GPU the speed of the small golden examples says too little of full batches.
    """
    limits = replace(CPU_LIMITS if on_cpu else GPU_LIMITS, round_tokens=int(ROUND_SECONDS / seconds_per_token))
    if on_cpu:
        within_patience = int(watchdog_seconds / PATIENCE / seconds_per_token)
        limits = replace(limits, max_tokens=min(limits.max_tokens, max(1, within_patience)))
    masked = manifest.input.encoding == "tokens"  # other graphs have no mask, so nothing may be padded
    return limits if masked else replace(limits, max_padding=0.0)


def _label(manifest: Manifest, *, unique: bool) -> str:
    return manifest.name if unique else manifest.versioned_name


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _longest_seconds(model: OnnxModel) -> float:
    try:
        return model.time_longest()
    except DeviceLost:
        raise
    except Exception:  # noqa: BLE001 - whoever sends such an input is told so; others need not suffer
        return model.seconds_per_token * model.manifest.input.max_tokens
