"""Every route of the service: its handler, and its documentation."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.responses import PlainTextResponse

from app.api.access import INDIVIDUAL
from app.api.bodies import BodyLimits
from app.api.boundary import Handler
from app.api.deadlines import DeadlineLimits
from app.api.health import HealthRoutes
from app.api.individual import IndividualRoute
from app.api.inference.registration import register
from app.api.inference.routes import HotPath, InferenceRoutes
from app.api.models import ModelRoutes
from app.api.mutagenesis import MUTAGENESIS, MutagenesisRoute
from app.api.openapi import (
    individual_documentation,
    mutagenesis_documentation,
    predict_documentation,
    problem_responses,
    unready,
    variants_documentation,
)
from app.api.predict import PredictRoute
from app.api.schemas import Health, ModelList
from app.api.variants import VARIANTS, VariantsRoute
from app.individual.people import PeoplePredictor
from app.predictor import Predictor
from app.settings import Settings


def add_predictions(
    api: FastAPI, settings: Settings, predictor: Predictor, people: PeoplePredictor | None
) -> dict[tuple[str, str], Handler]:
    """Document the routes that predict, and give the boundary, which calls them without the framework, all of them."""
    bodies = BodyLimits(settings.max_body_bytes, settings.max_sequences)
    deadlines = DeadlineLimits(settings.default_deadline_ms, settings.max_deadline_ms)
    genomes = None if people is None else people.genomes
    handlers: dict[str, Handler] = {
        "/predict": PredictRoute(predictor, bodies, deadlines).predict,
        INDIVIDUAL: IndividualRoute(people, bodies, deadlines).predict,
        VARIANTS: VariantsRoute(predictor, genomes, bodies, deadlines).variants,
        MUTAGENESIS: MutagenesisRoute(predictor, genomes, bodies, deadlines).mutagenesis,
    }
    documentation = {
        "/predict": predict_documentation,
        INDIVIDUAL: individual_documentation,
        VARIANTS: variants_documentation,
        MUTAGENESIS: mutagenesis_documentation,
    }
    hidden = () if people is not None else (INDIVIDUAL, VARIANTS)
    for path, handler in handlers.items():
        if path not in hidden:
            documented = documentation[path](settings.max_deadline_ms)
            api.add_api_route(path, handler, methods=["POST"], **documented)
    return {("POST", path): handler for path, handler in handlers.items()}


def add_inference(api: FastAPI, settings: Settings, predictor: Predictor, health: HealthRoutes) -> dict[str, HotPath]:
    """Add the Open Inference Protocol, and give the boundary each loaded model's inference by its path."""
    bodies = BodyLimits(settings.max_body_bytes, settings.max_sequences)
    deadlines = DeadlineLimits(settings.default_deadline_ms, settings.max_deadline_ms)
    routes = InferenceRoutes(predictor, health.readyz, bodies, deadlines)
    register(api, routes, health, settings.max_deadline_ms)
    return routes.hot()


def add_models(api: FastAPI, predictor: Predictor) -> None:
    """Add what tells of the bundles."""
    models = ModelRoutes(predictor)
    api.add_api_route("/models", models.list_models, response_model=ModelList, tags=["models"])
    api.add_api_route("/models/{name}", models.show_model, responses=problem_responses(404), tags=["models"])


def add_health(api: FastAPI, health: HealthRoutes, *, with_metrics: bool) -> None:
    """Add the probes, and the metrics unless they have a port of their own."""
    api.add_api_route("/livez", health.livez, response_model=Health, tags=["operation"])
    api.add_api_route("/readyz", health.readyz, response_model=Health, responses=unready(), tags=["operation"])
    if with_metrics:
        api.add_api_route("/metrics", health.metrics, response_class=PlainTextResponse, tags=["operation"])
