"""Errors say what is wrong, where, and what to do; never what was sent."""

from __future__ import annotations

import uuid

import pytest

from app import errors
from app.errors import Draining, ItemError, MethodNotAllowed, Overloaded, ServiceError, Unprocessable, problem

ID = "7f3a3a52-6e2c-4f5b-9d55-3f6f6f0c1a11"


def _tree(root: type[ServiceError]) -> list[type[ServiceError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _tree(child))]


def test_a_problem_has_every_field_of_the_contract() -> None:
    document = problem(Overloaded("Too much waits.", retry_after_ms=1200), ID)
    assert document == {
        "type": "urn:basecast:problem:overloaded",
        "title": "Overloaded",
        "status": 503,
        "code": "overloaded",
        "detail": "Too much waits.",
        "instance": f"urn:uuid:{ID}",
        "retryable": True,
        "retry_after_ms": 1200,
    }


def test_items_are_listed_with_pointers_and_positions() -> None:
    error = Unprocessable("no", items=[ItemError("/sequences/3", "invalid_base", "not a base", 17)])
    assert problem(error, ID)["errors"] == [
        {"pointer": "/sequences/3", "code": "invalid_base", "detail": "not a base", "position": 17}
    ]


def test_the_first_item_gives_the_problem_its_code() -> None:
    error = Unprocessable("no", items=[ItemError("/sequences/0", "too_long", "longer than 5")])
    assert problem(error, ID)["code"] == "too_long"


def test_at_most_twenty_items_are_listed() -> None:
    items = [ItemError(f"/sequences/{index}", "empty", "empty") for index in range(50)]
    assert len(problem(Unprocessable(items=items), ID)["errors"]) == 20


@pytest.mark.parametrize(("wait_ms", "seconds"), [(1, "1"), (1000, "1"), (1001, "2"), (29_999, "30")])
def test_retry_after_is_whole_seconds_rounded_up(wait_ms: int, seconds: str) -> None:
    assert Draining(retry_after_ms=wait_ms).headers() == {"retry-after": seconds}


def test_a_method_that_is_not_allowed_names_those_that_are() -> None:
    assert MethodNotAllowed(["GET", "HEAD"]).headers() == {"allow": "GET, HEAD"}


def test_a_request_id_that_is_no_uuid_still_gives_a_valid_instance() -> None:
    instance = problem(Draining(), "my-request.1")["instance"]
    assert uuid.UUID(instance.removeprefix("urn:uuid:")).version == 5


def test_every_error_is_drawn_in_the_tree_with_its_status() -> None:
    assert errors.__doc__
    for error in _tree(ServiceError)[1:]:
        line = next(line for line in errors.__doc__.splitlines() if f" {error.__name__} " in line)
        assert str(error.status) in line


def test_codes_and_statuses_are_consistent() -> None:
    for error in _tree(ServiceError):
        assert error.retryable == (error.status in {408, 429, 503, 504}), error.__name__
