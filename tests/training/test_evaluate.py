"""Models are compared on the same rows, and only when they were trained on the same table."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from training.config import EvaluationConfig
from training.errors import DataError, FitError
from training.evaluate import (
    Evaluation,
    _ridge_answers,
    evaluate,
    load_evaluation,
    predict_split,
    score,
    weights_sha256,
)
from training.feeder import predict
from training.metrics import METRICS
from training.pipeline import Pipeline
from training.predictions import load_predictions
from training.showing import show_scores


@pytest.fixture
def with_ridge(trained: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The trained toy, to be scored beside a ridge on single bases and pairs."""
    monkeypatch.setattr("training.baselines.kmer_ridge.LONGEST_KMER", 2)
    config = replace(trained.config, evaluation=EvaluationConfig(kmer_ridge=True))
    return Pipeline(config, trained.prepared, trained.folder)


def test_models_stand_side_by_side_on_the_same_rows(with_ridge: Pipeline) -> None:
    scores = evaluate(with_ridge, {"its twin": with_ridge}).scores

    rows = {(score.model, score.target, score.subset): score.rows for score in scores}
    for target in ("log2_change_8h_2h", "half_log2_change_6h_1h"):
        for model in ("this bundle", "its twin", "k-mer ridge"):
            assert rows[model, target, "all"] == 20
            assert rows[model, target, ">= 20 UMIs at 1 h and 2 h"] == 12
    twins = [score.metrics for score in scores if score.model != "k-mer ridge"]
    assert twins[: len(twins) // 2] == twins[len(twins) // 2 :]


def test_the_ridge_finds_the_toy_rule(with_ridge: Pipeline) -> None:
    scores = evaluate(with_ridge, {}).scores

    (ridge,) = [s for s in scores if (s.model, s.target, s.subset) == ("k-mer ridge", "log2_change_8h_2h", "all")]
    assert ridge.metrics["r2"].value > 0.9


def test_figures_are_those_of_the_predictions(trained: Pipeline, evaluation: Evaluation) -> None:
    rows = trained.prepared.table.split("test")
    predicted = predict(trained.load(), trained.feeder, rows.sequences)[:, 0].astype(np.float64)
    measured = rows.targets.values[:, 0].astype(np.float64)

    score = evaluation.scores[0]

    for name, metric in METRICS.items():
        assert score.metrics[name].value == pytest.approx(float(metric(measured, predicted)))
        assert score.metrics[name].low <= score.metrics[name].value <= score.metrics[name].high


def test_an_evaluation_survives_its_file(evaluation: Evaluation, tmp_path: Path) -> None:
    evaluation.save(tmp_path / "evaluation.json")

    assert load_evaluation(tmp_path) == evaluation


def test_a_model_of_another_table_is_not_compared(trained: Pipeline) -> None:
    prepared = replace(trained.prepared, table=trained.prepared.table.rows(np.arange(100)))
    other = Pipeline(trained.config, prepared, trained.folder)

    with pytest.raises(DataError, match="another table"):
        evaluate(trained, {"other": other})


def test_the_table_for_people_shows_value_and_interval(evaluation: Evaluation) -> None:
    text = StringIO()

    show_scores(evaluation.scores, Console(file=text, width=200))

    r2 = evaluation.scores[0].metrics["r2"]
    assert f"{r2.value:.3f} ({r2.low:.3f} to {r2.high:.3f})" in text.getvalue()
    assert "this bundle" in text.getvalue()


def test_the_distance_to_another_model_is_its_figures_difference_on_the_same_resamples(with_ridge: Pipeline) -> None:
    scores = evaluate(with_ridge, {"its twin": with_ridge}).scores

    of = {(score.model, score.subset): score for score in scores if score.target == "log2_change_8h_2h"}
    own, twin, ridge = (of[model, "all"] for model in ("this bundle", "its twin", "k-mer ridge"))
    assert own.difference == {}
    assert {(d.value, d.low, d.high) for d in twin.difference.values()} == {(0, 0, 0)}
    assert ridge.difference["r2"].value == pytest.approx(own.metrics["r2"].value - ridge.metrics["r2"].value)
    assert ridge.difference["r2"].high < 0  # three epochs do not find what the ridge finds


def test_the_ridge_of_a_subset_is_scored_on_that_subset(with_ridge: Pipeline) -> None:
    predictions = predict_split(with_ridge, {})

    ridges = [answer for answer in predictions.answers if answer.model == "k-mer ridge"]
    assert [answer.subset for answer in ridges] == ["all", ">= 20 UMIs at 1 h and 2 h"]
    assert predictions.of("k-mer ridge", ">= 20 UMIs at 1 h and 2 h") is ridges[1].values
    assert predictions.of("this bundle", ">= 20 UMIs at 1 h and 2 h") is predictions.of("this bundle", "all")


def test_a_score_names_the_figures_that_its_file_gives_again(trained: Pipeline, tmp_path: Path) -> None:
    predictions = predict_split(trained, {})
    predictions.save(tmp_path / "predictions-test.npz")

    again = load_predictions(tmp_path / "predictions-test.npz")

    assert score(trained, again) == score(trained, predictions)


def test_a_model_without_weights_has_none_to_measure(untrained: Pipeline) -> None:
    with pytest.raises(FitError, match="run `python -m training fit` first"):
        weights_sha256(untrained.folder)


def test_the_weights_that_were_measured_beside_are_named(trained: Pipeline) -> None:
    evaluation = evaluate(trained, {"its twin": trained})

    assert evaluation.beside_sha256 == {"its twin": weights_sha256(trained.folder)}


def test_the_ridge_learns_each_target_from_the_rows_that_have_it(with_ridge: Pipeline) -> None:
    table = with_ridge.prepared.table
    values, weights = table.targets.values.copy(), table.targets.weights.copy()
    lacking = np.flatnonzero(table.splits != "test")[::4]
    values[lacking, 1], weights[lacking, 1] = np.nan, 0
    sparse = replace(table, targets=replace(table.targets, values=values, weights=weights))

    both, one = (next(_ridge_answers(rows, table.split("test"), with_ridge.config)).values for rows in (table, sparse))

    assert one[:, 0] == pytest.approx(both[:, 0], abs=1e-4)
    assert not np.array_equal(one[:, 1], both[:, 1])
    assert one[:, 1] == pytest.approx(both[:, 1], abs=0.5)


def test_a_ridge_without_validation_rows_of_a_target_says_so(with_ridge: Pipeline) -> None:
    table = with_ridge.prepared.table
    values, weights = table.targets.values.copy(), table.targets.weights.copy()
    values[table.splits == "valid", 1], weights[table.splits == "valid", 1] = np.nan, 0
    sparse = replace(table, targets=replace(table.targets, values=values, weights=weights))

    with pytest.raises(DataError, match=r"evaluation\.kmer_ridge: no valid row has a value of half_log2_change_6h_1h"):
        next(_ridge_answers(sparse, table.split("test"), with_ridge.config))
