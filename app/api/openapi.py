"""The OpenAPI document: what FastAPI cannot derive, because the hot routes read and write their bodies themselves."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from app.api.bodies import FASTA, JSON
from app.api.events import EVENT_STREAM
from app.api.individual_schemas import IndividualRequest, IndividualResponse, TiledResponse
from app.api.inference.messages import InferRequest, InferResponse
from app.api.multipart import MULTIPART
from app.api.mutagenesis_schemas import MutagenesisRequest, MutagenesisResponse
from app.api.replies import CSV, NDJSON
from app.api.schemas import MIN_DEADLINE_MS, Health, PredictRequest, PredictResponse, Problem
from app.api.variants_schemas import VariantsRequest, VariantsResponse
from app.errors import PROBLEM_JSON

REFERENCE = "#/components/schemas/{model}"
PREDICT_PROBLEMS = (400, 404, 406, 408, 413, 414, 415, 422, 431, 500, 503, 504)
KEY_PROBLEMS = (401, 403, 429)
TITLES = {
    400: "The body is malformed.",
    401: "No API key, or not one that is known and live.",
    403: "The key has not the scope for this route.",
    404: "Unknown model or cohort.",
    406: "None of the media types in Accept can be produced.",
    408: "The body arrived too slowly.",
    413: "The body is too large.",
    414: "The URI is too long.",
    415: "The body's media type or encoding is not read here.",
    422: "One or more items are refused; nothing was predicted.",
    429: "The share of the key, or of failures from this address, is used up; try again after Retry-After.",
    431: "The header fields are too large.",
    500: "The model failed, or we did.",
    503: "Overloaded, draining, or out of memory; try again after Retry-After.",
    504: "The deadline has passed.",
}
DOCUMENTED = (
    PredictRequest, PredictResponse, IndividualRequest, IndividualResponse, TiledResponse, Problem, Health,
    InferRequest, InferResponse, VariantsRequest, VariantsResponse, MutagenesisRequest, MutagenesisResponse,
)  # fmt: skip
FASTA_PATTERN = r"^(>[!-~]{1,256}( [ -~]*)?\n[ACGTUacgtu]+\n)+$"
FASTA_EXAMPLE = ">S0_M_T1\nTGTCCCCGGGTCTTCCAACGGACTGGCGTTGCCCCGGTTCACTGGGGACTGCCCTTGGGG\n"


def predict_documentation(max_deadline_ms: int) -> dict[str, Any]:
    """Arguments of `add_api_route` that describe POST /predict."""
    return {
        "summary": "Predict the targets of each sequence",
        "tags": ["predict"],
        "responses": {200: {"description": "Predictions, in the request's order.", "content": _answers()}}
        | problem_responses(*PREDICT_PROBLEMS),
        "openapi_extra": {
            "requestBody": {"required": True, "content": _bodies()},
            "parameters": parameters(max_deadline_ms),
        },
    }


def individual_documentation(max_deadline_ms: int) -> dict[str, Any]:
    """Arguments of `add_api_route` that describe POST /predict/individual."""
    answers = {"anyOf": [reference(IndividualResponse), reference(TiledResponse)]}
    text = {"schema": {"type": "string"}}
    content = {JSON: {"schema": answers}, CSV: text, NDJSON: text, EVENT_STREAM: text}
    parts = {"type": "object", "required": ["request", "vcf"], "additionalProperties": False}
    parts["properties"] = {"request": reference(IndividualRequest), "vcf": {"type": "string", "format": "binary"}}
    bodies = {JSON: {"schema": reference(IndividualRequest)}, MULTIPART: {"schema": parts}}
    return {
        "summary": "Predict the targets of each person of a VCF",
        "tags": ["predict"],
        "responses": {200: {"description": "Each person's values.", "content": content}}
        | problem_responses(*PREDICT_PROBLEMS),
        "openapi_extra": {
            "requestBody": {"required": True, "content": bodies},
            "parameters": parameters(max_deadline_ms)[:2],
        },
    }


def variants_documentation(max_deadline_ms: int) -> dict[str, Any]:
    """Arguments of `add_api_route` that describe POST /predict/variants."""
    return _json_route("Predict what each variant does", VariantsRequest, VariantsResponse, max_deadline_ms)


def mutagenesis_documentation(max_deadline_ms: int) -> dict[str, Any]:
    """Arguments of `add_api_route` that describe POST /predict/mutagenesis."""
    summary = "Predict every substitution of a part of a sequence"
    return _json_route(summary, MutagenesisRequest, MutagenesisResponse, max_deadline_ms)


def _json_route(summary: str, request: type, response: type, max_deadline_ms: int) -> dict[str, Any]:
    text = {"schema": {"type": "string"}}
    answers = {JSON: {"schema": reference(response)}, CSV: text, NDJSON: text}
    return {
        "summary": summary,
        "tags": ["predict"],
        "responses": {200: {"description": "The request's items in its order.", "content": answers}}
        | problem_responses(*PREDICT_PROBLEMS),
        "openapi_extra": {
            "requestBody": {"required": True, "content": {JSON: {"schema": reference(request)}}},
            "parameters": parameters(max_deadline_ms)[:2],
        },
    }


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can end in these problems."""
    content = {PROBLEM_JSON: {"schema": reference(Problem)}}
    return {status: {"description": TITLES[status], "content": content} for status in statuses}


def unready() -> dict[int | str, dict[str, Any]]:
    """The `responses` of a probe that can fail."""
    return {503: {"description": "Not ready.", "content": {JSON: {"schema": reference(Health)}}}}


def describe(api: FastAPI, max_sequences: int, max_deadline_ms: int) -> None:
    """Complete the application's OpenAPI document with the schemas that only hot routes use, and the limits set."""
    derive = api.openapi

    def openapi() -> dict[str, Any]:
        document = derive()
        _, definitions = models_json_schema(
            [(model, "validation") for model in DOCUMENTED],
            ref_template=REFERENCE,
        )
        fields = definitions["$defs"]["PredictRequest"]["properties"]
        fields["sequences"]["maxItems"] = max_sequences
        for model in (PredictRequest, VariantsRequest, MutagenesisRequest):
            deadline = definitions["$defs"][model.__name__]["properties"]["deadline_ms"]
            deadline["anyOf"][0]["maximum"] = max_deadline_ms
        document.setdefault("components", {}).setdefault("schemas", {}).update(definitions["$defs"])
        return document

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def require_keys(api: FastAPI, open_paths: Collection[str]) -> None:
    """Say in the OpenAPI document that every route needs a key, these apart."""
    derive = api.openapi
    problems = {str(status): response for status, response in problem_responses(*KEY_PROBLEMS).items()}

    def openapi() -> dict[str, Any]:
        document = derive()
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, operations in document["paths"].items():
            for operation in operations.values() if path not in open_paths else ():
                operation["security"] = [{"key": []}]
                operation["responses"] |= problems
        return document

    api.openapi = openapi  # type: ignore[method-assign]


def reference(model: type) -> dict[str, str]:
    """A schema of the document, by its model."""
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _answers() -> dict[str, Any]:
    text = {"schema": {"type": "string"}}
    return {JSON: {"schema": reference(PredictResponse)}, CSV: text, NDJSON: text}


def _bodies() -> dict[str, Any]:
    fasta = {"schema": {"type": "string", "pattern": FASTA_PATTERN}, "example": FASTA_EXAMPLE}
    return {JSON: {"schema": reference(PredictRequest)}, FASTA: fasta}


def parameters(max_deadline_ms: int) -> list[dict[str, Any]]:
    """The header fields that requests may have, then what may stand in a query."""
    milliseconds = {"type": "integer", "minimum": MIN_DEADLINE_MS, "maximum": max_deadline_ms}
    return [
        _parameter("X-Deadline-Ms", "header", milliseconds, "Time for the whole request."),
        _parameter("X-Request-ID", "header", {"type": "string"}, "Echoed if it matches [A-Za-z0-9._-]{1,64}."),
        _parameter("model", "query", {"type": "string"}, "The model, where the body does not name it."),
        _parameter(
            "priority", "query", {"enum": ["interactive", "bulk"]}, "The priority, where the body does not name it."
        ),
    ]


def _parameter(name: str, place: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": False, "schema": schema, "description": description}
