"""What was predicted is kept whole, and folds are put together row by row."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.errors import DataError
from training.predictions import Answer, Predictions, load_predictions, pooled
from training.scoring import fold_values, measures, scores_of


def predictions(first: int, rows: int, fold: int = 0, models: tuple[str, ...] = ("ours", "theirs")) -> Predictions:
    """Rows numbered from `first`; `ours` is off by one for every second row, `theirs` by two."""
    numbers = np.arange(first, first + rows)
    measured = numbers[:, None].astype(np.float32)
    off = (numbers % 2)[:, None].astype(np.float32)
    answers = {"ours": measured + off, "theirs": measured + 2 * off}
    return Predictions(
        ids=tuple(f"R{number}" for number in numbers),
        targets=("value",),
        measured=measured,
        coverage=numbers.astype(np.float32),
        groups=numbers // 2,
        folds=np.full(rows, fold),
        subsets={"all": np.ones(rows, dtype=np.bool_), "even": numbers % 2 == 0},
        answers=tuple(Answer(model, "", answers[model]) for model in models),
    )


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    written = predictions(0, 10)
    written.save(tmp_path / "predictions.npz")

    read = load_predictions(tmp_path / "predictions.npz")

    assert (read.ids, read.targets, read.models) == (written.ids, written.targets, written.models)
    assert np.array_equal(read.measured, written.measured)
    assert np.array_equal(read.of("theirs", "even"), written.of("theirs", "even"))
    assert {name: mask.tolist() for name, mask in read.subsets.items()} == {
        name: mask.tolist() for name, mask in written.subsets.items()
    }


def test_a_missing_file_names_the_command_that_writes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="training evaluate"):
        load_predictions(tmp_path / "predictions.npz")


def test_folds_are_pooled_row_by_row() -> None:
    both = pooled([predictions(0, 6), predictions(6, 4, fold=1)])

    whole = predictions(0, 10)
    assert both.ids == whole.ids
    assert both.folds.tolist() == [0] * 6 + [1] * 4
    assert np.array_equal(both.of("ours", "all"), whole.of("ours", "all"))
    assert scores_of(both, "test", 0) == scores_of(whole, "test", 0)


def test_a_model_that_one_fold_lacks_is_left_out() -> None:
    both = pooled([predictions(0, 6), predictions(6, 4, fold=1, models=("ours",))])

    assert both.models == ["ours"]


def test_a_subset_that_one_fold_lacks_is_left_out() -> None:
    other = predictions(6, 4)

    assert list(pooled([predictions(0, 6), replace(other, subsets={"all": other.subsets["all"]})]).subsets) == ["all"]


def test_a_row_in_two_folds_is_refused() -> None:
    with pytest.raises(DataError, match="tested in two folds"):
        pooled([predictions(0, 6), predictions(5, 4)])


def test_a_value_that_was_not_measured_is_not_scored() -> None:
    some = predictions(0, 6)
    some.measured[0] = np.nan

    assert [score.rows for score in scores_of(some, "test", 0) if score.model == "ours"] == [5, 2]


def test_a_subset_without_measured_rows_is_not_scored() -> None:
    some = predictions(0, 6)
    some.measured[::2] = np.nan

    assert [measure.subset for measure in measures(some)] == ["all"]


def test_each_fold_has_figures_of_its_own() -> None:
    both = pooled([predictions(0, 6), predictions(6, 3, fold=1)])
    (everything, _) = measures(both)

    values = fold_values(both, "theirs", everything)

    assert values["mse"].tolist() == [2.0, pytest.approx(4 / 3)]  # errors 0, 2, 0, 2, 0, 2 and 0, 2, 0


def test_a_target_that_never_varies_in_the_scored_rows_is_named() -> None:
    constant = predictions(0, 10)
    constant.measured[:, 0] = 2.5

    with pytest.raises(DataError, match=f"{constant.targets[0]} has no two different values in the rows"):
        scores_of(constant, "test", seed=0)
