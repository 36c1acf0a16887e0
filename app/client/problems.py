"""Problem documents as the errors that they tell of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    ItemError,
    NonFiniteOutput,
    Overloaded,
    ServerError,
    ServiceError,
    UnknownModel,
    Unprocessable,
)

ERRORS_BY_CODE: dict[str, type[ServiceError]] = {"non_finite_output": NonFiniteOutput}
ERRORS_BY_STATUS: dict[int, type[ServiceError]] = {
    404: UnknownModel,
    413: BodyTooLarge,
    422: Unprocessable,
    429: Overloaded,
    503: Overloaded,
    504: DeadlineExceeded,
}


def refusal(where: str, status: int, problem: Mapping[str, Any], retry_after_ms: int | None) -> Exception:
    """The error that the service raised, or as much of it as a caller can act on.

    Args:
        where: the service, as the message names it.
    """
    form = ERRORS_BY_CODE.get(problem["code"]) or ERRORS_BY_STATUS.get(status)
    if form is None:
        return ServerError(f"{where}: {problem['detail']}")
    items = [
        ItemError(item["pointer"], item["code"], item["detail"], item.get("position"))
        for item in problem.get("errors", ())
    ]
    return form(problem["detail"], retry_after_ms=retry_after_ms, items=items)
