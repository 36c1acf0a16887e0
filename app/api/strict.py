"""What every request body is held to: exact types, no unknown keys, and a pointer to each fault.

Where a field has several forms, each is a variant of a tagged union whose tag begins with `FORM`; the tag says how the
field was read and is no part of the pointer.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.api.bodies import check_depth
from app.errors import ItemError, Unprocessable

FORM = "form:"
TEXT, OBJECT = f"{FORM}text", f"{FORM}object"

Request = TypeVar("Request", bound=BaseModel)


def text_or_object(value: object) -> str:
    """The tag of a field that is either."""
    return TEXT if isinstance(value, str) else OBJECT


def validated(form: type[Request], document: object) -> Request:
    """A parsed JSON body as a request.

    Raises:
        Unprocessable: with a pointer to each item at fault.
        MalformedJson: it is nested out of all bounds.
    """
    try:
        return form.model_validate(document)
    except ValidationError as error:
        check_depth(document)
        faults = error.errors(include_url=False, include_context=False)
        items = [ItemError(_pointer(fault), _code(fault), _detail(fault, form)) for fault in faults]
        raise Unprocessable("The request has fields that are missing, unknown or out of range.", items=items) from None


def exactly_one(request: BaseModel, *names: str) -> str:
    """The one of these fields that the request has.

    Raises:
        Unprocessable: it has none of them, or several.
    """
    given = [name for name in names if getattr(request, name) is not None]
    if len(given) == 1:
        return given[0]
    detail = f"Send exactly one of {', '.join(names)}."
    raise Unprocessable(detail, items=[ItemError("", "invalid_field", detail)])


def _pointer(fault: ErrorDetails) -> str:
    location: tuple[Any, ...] = fault["loc"]
    if fault["type"] == "extra_forbidden":  # the unknown key is the caller's text
        location = location[:-1]
    return "".join(f"/{part}" for part in location if not str(part).startswith(FORM))


def _code(fault: ErrorDetails) -> str:
    if fault["type"] == "too_short":
        return "empty"
    wrong_shape = fault["type"] in ("missing", "extra_forbidden", "model_type", "model_attributes_type", "list_type")
    return "invalid_field" if wrong_shape or isinstance(fault["input"], (list, dict, type(None))) else "invalid_value"


def _detail(fault: ErrorDetails, form: type[BaseModel]) -> str:
    if fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1:
        return f"There is an unknown field here; known are {', '.join(form.model_fields)}."
    if fault["type"] == "extra_forbidden":
        return "There is an unknown field here."
    if fault["type"] in ("model_type", "model_attributes_type"):
        return "An object is expected here."
    return f"{fault['msg']}."
