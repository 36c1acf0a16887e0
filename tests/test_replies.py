"""A reply that is written by a template is the one that is written value by value."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.replies import JSON, numbered_response, predictions_response
from app.main import create_service
from app.predictor import Predictions
from app.served_models import ServedModel
from app.settings import Settings

rows = st.tuples(
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=2, max_size=2),
)


@pytest.fixture(scope="module")
def two_targets(toy_models: Path) -> ServedModel:
    """The model `mean-id`, as it is served."""
    return create_service(Settings(models=toy_models, threads=1)).predictor.model("mean-id")


@given(st.lists(rows, min_size=1, max_size=4))
def test_sequences_that_are_numbered_are_written_as_any_others(
    two_targets: ServedModel, found: list[tuple[int, int, list[float]]]
) -> None:
    bases, tokens, values = (list(column) for column in zip(*found, strict=True))
    predictions = Predictions(two_targets, bases, tokens, values, {})  # type: ignore[arg-type] # columns of their types
    written = numbered_response(predictions)
    usual = predictions_response(predictions, [str(place) for place in range(len(found))], JSON)
    assert written.body == usual.body
    assert written.raw_headers == usual.raw_headers
