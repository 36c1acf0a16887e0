"""Where the parts are put together: settings in, ASGI application out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from app import __version__
from app.access.key_ring import KeyRing
from app.api.access import DOCUMENTATION, INDIVIDUAL, PROBES, Guard
from app.api.body_pace import BodyPace
from app.api.boundary import Boundary
from app.api.deadlines import DeadlineLimits
from app.api.express.requests import ExpressRequests
from app.api.health import HealthRoutes
from app.api.openapi import describe, require_keys
from app.api.problems import handle_http_exception, handle_service_error
from app.backend import Backend, backend_for, tracing_for
from app.bundle import Bundle
from app.checks import Check, always_ok, every_model_served, fuse_is_whole, in_reach, not_draining
from app.dosage import read_variants
from app.encoding import SequenceEncoder
from app.errors import ServiceError
from app.express import Express
from app.genome.vcf.limits import VcfLimits
from app.genomes import open_genomes
from app.in_flight import InFlight
from app.individual.people import PeoplePredictor
from app.limits import RateLimiter
from app.loading import count_each, read_bundles
from app.loop_lag import measured_lag
from app.metrics import Metrics, ModelMetrics
from app.predictor import Predictor, RequestLimits
from app.routes import add_health, add_inference, add_models, add_predictions
from app.served_models import ServedModel
from app.settings import Settings, is_loopback
from app.tracing import NO_TRACING, Tracing
from app.window_encoding import WindowEncoder

UPLOAD_TIMEOUT_MS = 75_000  # the reader of uploads gives up after 60 s, and says why


@dataclass(frozen=True)
class Service:
    """The running parts.

    Attributes:
        app: the ASGI application, boundary included; its lifespan starts and stops the backend.
        people: predicts for people, where there is a reference.
        express: what a connection can do for usual requests by itself, where nobody has to be asked who calls, no
            trace is recorded, and the models are computed here.
    """

    app: Boundary
    predictor: Predictor
    people: PeoplePredictor | None
    backend: Backend
    metrics: Metrics
    settings: Settings
    tracing: Tracing = NO_TRACING
    express: ExpressRequests | None = None

    def running(self) -> AbstractAsyncContextManager[None]:
        """The service with its backend at work; the application's lifespan does the same."""
        return _running(self.predictor, self.backend, self.metrics, self.tracing)

    async def drain(self) -> None:
        """Turn new requests away and wait until those in flight are answered, or `drain_ms` have passed."""
        self.predictor.draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.drain_ms / 1000):
                await self.app.idle()
        for model in self.predictor.models:
            for queue in model.queues:
                await queue.close()


def create_app(settings: Settings) -> Boundary:
    """The ASGI application for these settings, its models loaded and verified.

    Raises:
        BundleError: a bundle cannot be trusted.
        KeyFileError: the file of API keys cannot be.
    """
    return create_service(settings).app


def create_service(settings: Settings, tracing: Tracing | None = None) -> Service:
    """Load the bundles, connect each with what computes for it, and put HTTP in front.

    Args:
        tracing: where traces are recorded, if not where the settings say.

    Raises:
        BundleError: a bundle cannot be trusted.
        SettingsError: the queue's URL, or a file of genomes, cannot be read.
        KeyFileError: the file of API keys cannot be.
    """
    metrics = Metrics(computes=settings.computes_here, redis=not settings.computes_here)
    tracing = tracing_for(settings) if tracing is None else tracing
    bundles = read_bundles(settings.models)
    counted = count_each(bundles, metrics)
    backend = backend_for(bundles, counted, settings, metrics, tracing)
    models = [_served(bundle, backend, counters) for bundle, counters in zip(bundles, counted, strict=True)]
    limits = RequestLimits(settings.max_sequences, settings.max_total_bases)
    in_flight = InFlight(settings.max_sequences_in_flight, settings.max_bases_in_flight, metrics)
    predictor = Predictor(models, limits, in_flight, metrics)
    people = _people(settings, predictor)
    app = _http(settings, predictor, people, backend, metrics, tracing)
    express = _express(settings, predictor, app, tracing)
    return Service(app, predictor, people, backend, metrics, settings, tracing, express)


def _served(bundle: Bundle, backend: Backend, counted: Sequence[ModelMetrics]) -> ServedModel:
    manifest, files = bundle.manifest, bundle.files
    queue, *head = (backend.queues[bundle.work_digest(graph)] for graph in manifest.graphs)
    for each, counters in zip((queue, *head), counted, strict=True):
        counters.watch_queue(each.load)
    segments = manifest.input.segments
    encoder = WindowEncoder(manifest, segments, files) if segments else SequenceEncoder(manifest, files)
    variants = None if manifest.input.reads_sequences else read_variants(manifest, files)
    return ServedModel(manifest, bundle.sha256, encoder, queue, counted[0], variants, *head)


def _people(settings: Settings, predictor: Predictor) -> PeoplePredictor | None:
    if settings.reference is None:
        return None
    limits = vcf_limits(settings)
    genomes = open_genomes(settings.reference, settings.reference_assembly, settings.genes, settings.cohorts, limits)
    return PeoplePredictor(predictor, genomes, settings.max_haplotype_bases)


def vcf_limits(settings: Settings) -> VcfLimits:
    """How much of a VCF is read."""
    return VcfLimits(
        max_vcf_upload_bytes=settings.max_vcf_upload_bytes,
        max_vcf_bytes=settings.max_vcf_bytes,
        max_vcf_line_bytes=settings.max_vcf_line_bytes,
        max_vcf_records=settings.max_vcf_records,
        max_samples=settings.max_samples,
        max_allele_bases=settings.max_allele_bases,
    )


def _http(
    settings: Settings,
    predictor: Predictor,
    people: PeoplePredictor | None,
    backend: Backend,
    metrics: Metrics,
    tracing: Tracing,
) -> Boundary:
    api = FastAPI(
        title="Basecast",
        version=__version__,
        description="DNA or RNA in, gene expression or mRNA decay out.",
        lifespan=lambda _: _running(predictor, backend, metrics, tracing),
        redirect_slashes=False,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    api.add_exception_handler(ServiceError, handle_service_error)
    api.add_exception_handler(HTTPException, handle_http_exception)
    api.add_exception_handler(Exception, handle_service_error)
    hot = add_predictions(api, settings, predictor, people)
    add_models(api, predictor)
    health = HealthRoutes({"compute": fuse_is_whole(backend.fuse)}, _ready(predictor, backend), metrics)
    add_health(api, health, with_metrics=settings.metrics_port is None)
    infer = add_inference(api, settings, predictor, health)
    hot |= {("POST", path): each.handler for path, each in infer.items()}
    templates = {path: each.template for path, each in infer.items()}
    describe(api, settings.max_sequences, settings.max_deadline_ms)
    guard = _guard(settings, backend.limiter)
    if guard is not None:
        require_keys(api, guard.open_paths)
    paces = {INDIVIDUAL: BodyPace(max(settings.body_timeout_ms, UPLOAD_TIMEOUT_MS))}
    return Boundary(api, hot, metrics, BodyPace(settings.body_timeout_ms), guard, tracing, paces, templates)


def _express(settings: Settings, predictor: Predictor, boundary: Boundary, tracing: Tracing) -> ExpressRequests | None:
    if settings.api_keys_file is not None or tracing.recording or not settings.computes_here:
        return None
    deadlines = DeadlineLimits(settings.default_deadline_ms, settings.max_deadline_ms)
    return ExpressRequests(Express(predictor), boundary, settings.max_body_bytes, deadlines)


def _guard(settings: Settings, limiter: RateLimiter) -> Guard | None:
    """What asks callers for keys, where there are any; a browser cannot send one to see the documentation."""
    if settings.api_keys_file is None:
        return None
    open_paths = PROBES | DOCUMENTATION if is_loopback(settings.host) else PROBES
    return Guard(KeyRing(settings.api_keys_file), limiter, open_paths)


def _ready(predictor: Predictor, backend: Backend) -> dict[str, Check]:
    async def ping() -> None:
        for model in predictor.models:
            for queue in model.queues:
                await queue.ping()

    names = {model.sha256: model.manifest.versioned_name for model in predictor.models}
    return {
        "models": always_ok(),  # none is loaded before its bundle is verified
        "workers": every_model_served(names, backend.workers_of),
        "queue": in_reach(ping),
        "draining": not_draining(lambda: predictor.draining),
    }


@asynccontextmanager
async def _running(predictor: Predictor, backend: Backend, metrics: Metrics, tracing: Tracing) -> AsyncIterator[None]:
    def workers() -> list[int]:
        return [backend.workers_of(model.sha256) for model in predictor.models]

    for model in predictor.models:
        model.metrics.watch_workers(partial(backend.workers_of, model.sha256))
    metrics.ready.set_function(lambda: all(workers()) and not predictor.draining)
    async with measured_lag(metrics.loop_lag), backend.running():
        yield
    await asyncio.to_thread(tracing.close)
