"""The protocol's routes as FastAPI knows them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from app.api.bodies import JSON
from app.api.health import HealthRoutes
from app.api.inference.messages import InferRequest, InferResponse, ModelMetadata, ServerMetadata
from app.api.inference.replies import OCTETS
from app.api.inference.routes import INFER, INFER_VERSION, MODEL, MODEL_VERSION, InferenceRoutes
from app.api.openapi import PREDICT_PROBLEMS, parameters, problem_responses, reference, unready
from app.api.schemas import Health

TAGS: list[Any] = ["open inference protocol"]


def register(api: FastAPI, routes: InferenceRoutes, health: HealthRoutes, max_deadline_ms: int) -> None:
    """Add the routes to an application."""
    get: dict[str, Any] = {"tags": TAGS, "methods": ["GET"], "response_model_exclude_none": True}
    api.add_api_route("/v2", routes.server, response_model=ServerMetadata, **get)
    api.add_api_route("/v2/health/live", health.livez, response_model=Health, **get)
    api.add_api_route("/v2/health/ready", health.readyz, response_model=Health, responses=unready(), **get)
    for path in (MODEL, MODEL_VERSION):
        known = problem_responses(404)
        api.add_api_route(path, routes.model, response_model=ModelMetadata, responses=known, **get)
        ready = known | unready()
        api.add_api_route(f"{path}/ready", routes.model_ready, response_model=Health, responses=ready, **get)
    for path in (INFER, INFER_VERSION):
        api.add_api_route(path, routes.infer, methods=["POST"], tags=TAGS, **_documentation(max_deadline_ms))


def _documentation(max_deadline_ms: int) -> dict[str, Any]:
    answers = {JSON: {"schema": reference(InferResponse)}, OCTETS: {"schema": {"type": "string", "format": "binary"}}}
    return {
        "summary": "Predict the targets of each sequence of a tensor",
        "responses": {200: {"description": "A tensor of values.", "content": answers}}
        | problem_responses(*PREDICT_PROBLEMS),
        "openapi_extra": {
            "requestBody": {"required": True, "content": {JSON: {"schema": reference(InferRequest)}}},
            "parameters": parameters(max_deadline_ms)[:2],
        },
    }
