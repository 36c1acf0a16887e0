"""Where the parts are put together: settings in, ASGI application out."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse

from app import __version__
from app.access.key_ring import KeyRing
from app.api.access import DOCUMENTATION, PROBES, Guard
from app.api.bodies import BodyLimits
from app.api.body_pace import BodyPace
from app.api.boundary import Boundary
from app.api.health import HealthRoutes
from app.api.models import ModelRoutes
from app.api.openapi import describe, predict_documentation, problem_responses, require_keys, unready
from app.api.predict import DeadlineLimits, PredictRoute
from app.api.problems import handle_http_exception, handle_service_error
from app.api.schemas import Health, ModelList
from app.batch_record import BatchRecord
from app.batching import CPU_LIMITS, GPU_LIMITS, BatchLimits
from app.bundle import Bundle, Manifest, find_bundles, read_bundle
from app.encoding import SequenceEncoder
from app.engine import OnnxModel
from app.errors import BundleError, ServiceError
from app.limits.memory import MemoryRateLimiter
from app.metrics import Metrics, ModelMetrics
from app.predictor import Predictor, RequestLimits, ServedModel
from app.queue.memory import MemoryQueue
from app.settings import Settings, is_loopback
from app.tracing import NO_TRACING, Tracing, open_tracing
from app.worker import Worker

LAG_PERIOD_SECONDS = 0.5
# Long beside the hop to a compute thread, short beside what a caller notices.
ROUND_SECONDS = 0.004


@dataclass(frozen=True)
class Service:
    """The running parts.

    Attributes:
        provider: what computes, as ONNX Runtime names it, such as `CPUExecutionProvider`.
        app: the ASGI application, boundary included; its lifespan starts and stops the workers.
    """

    app: Boundary
    predictor: Predictor
    workers: Sequence[Worker]
    metrics: Metrics
    settings: Settings
    provider: str
    tracing: Tracing = NO_TRACING

    def running(self) -> AbstractAsyncContextManager[None]:
        """The service with its workers at work; the application's lifespan does the same."""
        return _running(self.predictor, self.workers, self.metrics, self.tracing)

    async def drain(self) -> None:
        """Turn new requests away and wait until those in flight are answered, or `drain_ms` have passed."""
        self.predictor.draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.drain_ms / 1000):
                await self.app.idle()
        for model in self.predictor.models:
            await model.queue.close()


def create_app(settings: Settings) -> Boundary:
    """The ASGI application for these settings, its models loaded and verified.

    Raises:
        BundleError: a bundle cannot be trusted.
        KeyFileError: the file of API keys cannot be.
    """
    return create_service(settings).app


def create_service(settings: Settings, tracing: Tracing | None = None) -> Service:
    """Load the models, connect each with a queue and a worker, and put HTTP in front.

    Args:
        tracing: where traces are recorded, if not where the settings say.

    Raises:
        BundleError: a bundle cannot be trusted.
        KeyFileError: the file of API keys cannot be.
    """
    metrics = Metrics()
    device = ThreadPoolExecutor(settings.compute_threads, thread_name_prefix="compute")
    bundles = _read_all(settings.models)
    names = [bundle.manifest.name for bundle in bundles]
    if tracing is None:
        tracing = open_tracing(settings.otlp_endpoint) if settings.traces_wanted else NO_TRACING
    loaded = [
        _load(it, settings, metrics, device, tracing, unique=names.count(it.manifest.name) == 1) for it in bundles
    ]
    limits = RequestLimits(settings.max_sequences, settings.max_total_bases)
    predictor = Predictor([model for model, _, _ in loaded], limits, metrics)
    workers = [worker for _, worker, _ in loaded]
    app = _http(settings, predictor, workers, metrics, tracing)
    return Service(app, predictor, workers, metrics, settings, loaded[0][2], tracing)


def _read_all(models: Path) -> list[Bundle]:
    """Every bundle of the folder, by name; of several versions the newest comes first, and is the default."""
    bundles = [read_bundle(path) for path in find_bundles(models)]
    bundles.sort(key=lambda bundle: _parsed(bundle.manifest.version), reverse=True)
    bundles.sort(key=lambda bundle: bundle.manifest.name)
    names = [bundle.manifest.versioned_name for bundle in bundles]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BundleError(f"{twice[0]} is there in {len(twice)} folders; keep one of them")
    return bundles


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _load(
    bundle: Bundle,
    settings: Settings,
    metrics: Metrics,
    device: ThreadPoolExecutor,
    tracing: Tracing,
    *,
    unique: bool,
) -> tuple[ServedModel, Worker, str]:
    model = OnnxModel(bundle, settings.device, allow_cpu=settings.cpu_allowed)
    label = bundle.manifest.name if unique else bundle.manifest.versioned_name
    counted = ModelMetrics(metrics, bundle.manifest, bundle.sha256, label)
    queue = MemoryQueue(settings.max_queue_tokens, counted, settings.compute_threads)
    counted.watch_queue(queue.load)
    encoder = SequenceEncoder(bundle.manifest, bundle.files)
    limits = batch_limits(bundle.manifest, on_cpu=model.on_cpu, seconds_per_token=model.seconds_per_token)
    here = f"{socket.gethostname()}-{os.getpid()}"
    name = bundle.manifest.versioned_name
    record = BatchRecord(name, bundle.sha256, here, settings.log_batches_from_ms, tracing)
    worker = Worker(queue, model, limits, device, settings.compute_threads, counted, record)
    return ServedModel(bundle.manifest, bundle.sha256, encoder, queue, counted), worker, model.provider


def batch_limits(manifest: Manifest, *, on_cpu: bool, seconds_per_token: float) -> BatchLimits:
    """How batches are formed for a model on a device."""
    limits = replace(CPU_LIMITS if on_cpu else GPU_LIMITS, round_tokens=int(ROUND_SECONDS / seconds_per_token))
    masked = manifest.input.encoding == "tokens"  # other graphs have no mask, so nothing may be padded
    return limits if masked else replace(limits, max_padding=0.0)


def _http(
    settings: Settings, predictor: Predictor, workers: Sequence[Worker], metrics: Metrics, tracing: Tracing
) -> Boundary:
    predict = PredictRoute(
        predictor,
        BodyLimits(settings.max_body_bytes, settings.max_sequences),
        DeadlineLimits(settings.default_deadline_ms, settings.max_deadline_ms),
    )
    models = ModelRoutes(predictor)
    health = HealthRoutes(predictor, workers, metrics)
    api = FastAPI(
        title="Basecast",
        version=__version__,
        description="DNA or RNA in, gene expression or mRNA decay out.",
        lifespan=lambda _: _running(predictor, workers, metrics, tracing),
        redirect_slashes=False,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    api.add_exception_handler(ServiceError, handle_service_error)
    api.add_exception_handler(HTTPException, handle_http_exception)
    api.add_exception_handler(Exception, handle_service_error)
    api.add_api_route("/predict", predict.predict, methods=["POST"], **predict_documentation(settings.max_deadline_ms))
    api.add_api_route("/models", models.list_models, response_model=ModelList, tags=["models"])
    api.add_api_route("/models/{name}", models.show_model, responses=problem_responses(404), tags=["models"])
    api.add_api_route("/livez", health.livez, response_model=Health, tags=["operation"])
    api.add_api_route("/readyz", health.readyz, response_model=Health, responses=unready(), tags=["operation"])
    if settings.metrics_port is None:
        api.add_api_route("/metrics", health.metrics, response_class=PlainTextResponse, tags=["operation"])
    describe(api, settings.max_sequences, settings.max_deadline_ms)
    guard = _guard(settings)
    if guard is not None:
        require_keys(api, guard.open_paths)
    hot = {("POST", "/predict"): predict.predict}
    return Boundary(api, hot, metrics, BodyPace(settings.body_timeout_ms), guard, tracing)


def _guard(settings: Settings) -> Guard | None:
    """What asks callers for keys, where there are any; a browser cannot send one to see the documentation."""
    if settings.api_keys_file is None:
        return None
    open_paths = PROBES | DOCUMENTATION if is_loopback(settings.host) else PROBES
    return Guard(KeyRing(settings.api_keys_file), MemoryRateLimiter(), open_paths)


@asynccontextmanager
async def _running(
    predictor: Predictor, workers: Sequence[Worker], metrics: Metrics, tracing: Tracing
) -> AsyncIterator[None]:
    def alive() -> int:
        return sum(worker.alive for worker in workers)

    metrics.workers_ready.set_function(alive)
    metrics.ready.set_function(lambda: alive() == len(workers) and not predictor.draining)
    for worker in workers:
        worker.start()
    lag = asyncio.create_task(_measure_lag(metrics))
    yield
    lag.cancel()
    with suppress(asyncio.CancelledError):
        await lag
    for worker in workers:
        await worker.stop()
    await asyncio.to_thread(tracing.close)


async def _measure_lag(metrics: Metrics) -> None:
    while True:
        due = time.monotonic() + LAG_PERIOD_SECONDS
        await asyncio.sleep(LAG_PERIOD_SECONDS)
        metrics.loop_lag.set(max(0.0, time.monotonic() - due))
