"""What the validation rows say, worked out by hand."""

import numpy as np
import pytest

from training.errors import FitError
from training.examples import Examples, as_codes
from training.validation import is_stale, validation_figures

BASES, LENGTHS = as_codes(["A", "C", "G"])
VALUES = np.array([[0.0, 9.0], [1.0, 9.0], [2.0, 9.0]], dtype=np.float32)  # a target and an auxiliary column
WEIGHTS = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]], dtype=np.float32)


def test_loss_counts_targets_by_weight_and_nothing_else() -> None:
    predicted = np.array([[0.5, 0.0], [1.0, 0.0], [7.0, 0.0]], dtype=np.float32)

    figures = validation_figures(predicted, Examples(BASES, LENGTHS, VALUES, WEIGHTS), ["level"])

    assert figures == {"valid_loss": 0.125, "r2_level": 0.5}  # 0.25 / 2, and 1 - 0.25 / 0.5


def test_answers_that_are_no_numbers_end_the_run() -> None:
    with pytest.raises(FitError, match="validation loss is no longer finite"):
        validation_figures(np.full_like(VALUES, np.nan), Examples(BASES, LENGTHS, VALUES, WEIGHTS), ["level"])


def test_rows_without_a_measured_target_choose_nothing() -> None:
    with pytest.raises(FitError, match="no validation row has a measured target"):
        validation_figures(VALUES, Examples(BASES, LENGTHS, VALUES, WEIGHTS * 0), ["level"])


@pytest.mark.parametrize(("patience", "stale"), [(0, False), (1, True), (2, True), (3, False)])
def test_a_run_is_stale_when_its_best_epoch_lies_far_back(patience: int, stale: bool) -> None:
    history = [{"valid_loss": loss} for loss in (0.9, 0.5, 0.6, 0.5)]

    assert is_stale(history, patience) == stale
