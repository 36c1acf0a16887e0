"""Errors as replies: the one place where an error becomes a status, a body and headers."""

from __future__ import annotations

from http import HTTPStatus

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api.exchange import exchange_of
from app.errors import (
    PROBLEM_JSON,
    Draining,
    InternalError,
    MalformedRequest,
    MethodNotAllowed,
    ServiceError,
    UnknownRoute,
    problem,
)

INFERENCE = "/v2/"
CLOSES_CONNECTION = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def problem_response(error: ServiceError, request_id: str, path: str = "") -> Response:
    """The reply for an error; for a path of the Open Inference Protocol with the one member that its clients read."""
    headers = error.headers()
    # The rest of the body may still be on its way, or the process is about to end.
    if error.status in CLOSES_CONNECTION or isinstance(error, Draining):
        headers["connection"] = "close"
    document = problem(error, request_id)
    if path.startswith(INFERENCE):
        document["error"] = error.detail
    return Response(to_json(document), error.status, headers, media_type=PROBLEM_JSON)


async def handle_service_error(request: Request, error: Exception) -> Response:
    """Answer an error of ours that a route raised."""
    known = error if isinstance(error, ServiceError) else InternalError()
    return _answer(request, known)


async def handle_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: unknown paths and methods."""
    return _answer(request, _translated(error))


def _answer(request: Request, error: ServiceError) -> Response:
    exchange = exchange_of(request.scope)
    exchange.code = error.problem_code
    return problem_response(error, exchange.request_id, request.scope["path"])


def _translated(error: Exception) -> ServiceError:
    if not isinstance(error, HTTPException):
        return InternalError()
    if error.status_code == HTTPStatus.NOT_FOUND:
        return UnknownRoute("There is nothing here; GET /docs lists the routes.")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "GET")
        return MethodNotAllowed([method.strip() for method in allowed.split(",")])
    return MalformedRequest() if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else InternalError()
