"""The elastic net of one gene: its weights on paper, and that nobody is predicted from their own expression."""

import numpy as np
import pytest

from training.baselines.elastic_net import ElasticNetConfig, fit_elastic_net, predict_held_out
from training.errors import ConfigError

CONFIG = ElasticNetConfig()
FOLDS = np.arange(120) % 5


@pytest.fixture
def dosages() -> np.ndarray:
    """120 people, six variants."""
    return np.random.default_rng(0).integers(0, 3, size=(120, 6)).astype(np.float64)


@pytest.fixture
def values(dosages: np.ndarray) -> np.ndarray:
    """The second variant adds 1 an allele, the fifth takes 0.5."""
    noise = np.random.default_rng(1).normal(size=len(dosages))
    return dosages[:, 1] - 0.5 * dosages[:, 4] + 0.3 * noise


def test_one_variant_has_the_weight_that_can_be_worked_out() -> None:
    dosages = np.tile([[0.0], [1.0], [2.0], [1.0]], (30, 1))  # mean 1, variance 1/2
    values = 3 + 2 * dosages[:, 0]
    fit = fit_elastic_net(dosages, values, FOLDS, CONFIG)

    # Standardised: x'y / n = sqrt(2); the last penalty is 0.05 of the first, sqrt(2) / 0.5
    penalty = 0.05 * np.sqrt(2) / 0.5
    standardised = (np.sqrt(2) - 0.5 * penalty) / (1 + 0.5 * penalty)
    assert fit.penalty == pytest.approx(penalty)
    assert fit.weights[0] == pytest.approx(standardised * np.sqrt(2), rel=1e-3)
    assert fit.predict(np.array([[1.0]])) == pytest.approx([5.0])  # the mean of the dosages gives that of the values


def test_the_variants_that_matter_are_found(dosages: np.ndarray, values: np.ndarray) -> None:
    fit = fit_elastic_net(dosages, values, FOLDS, CONFIG)
    assert fit.weights == pytest.approx([0, 1, 0, 0, -0.5, 0], abs=0.1)
    assert np.corrcoef(predict_held_out(dosages, values, FOLDS, CONFIG), values)[0, 1] > 0.9


@pytest.mark.parametrize("fold", range(5))
def test_what_is_predicted_for_a_fold_does_not_depend_on_its_own_expression(
    dosages: np.ndarray, values: np.ndarray, fold: int
) -> None:
    held_out = np.equal(FOLDS, fold)
    changed = np.where(held_out, 1000 - 7 * values, values)
    before, after = (predict_held_out(dosages, y, FOLDS, CONFIG) for y in (values, changed))
    np.testing.assert_array_equal(before[held_out], after[held_out])
    assert not np.allclose(before[~held_out], after[~held_out])


def test_dosages_of_others_predict_nothing(dosages: np.ndarray, values: np.ndarray) -> None:
    shuffled = dosages[np.random.default_rng(2).permutation(len(dosages))]
    assert abs(np.corrcoef(predict_held_out(shuffled, values, FOLDS, CONFIG), values)[0, 1]) < 0.25


def test_a_dosage_that_was_not_called_is_the_mean_of_those_who_are_learnt_from(
    dosages: np.ndarray, values: np.ndarray
) -> None:
    dosages[::4, 1] = np.nan
    fit = fit_elastic_net(dosages, values, FOLDS, CONFIG)
    row = dosages[1:2].copy()
    row[0, 1] = np.nan
    filled = np.where(np.isnan(row), np.nanmean(dosages, axis=0), row)
    assert fit.mean_dosages == pytest.approx(np.nanmean(dosages, axis=0))
    np.testing.assert_array_equal(fit.predict(row), fit.predict(filled))


def test_a_variant_that_nobody_differs_in_has_no_weight(dosages: np.ndarray, values: np.ndarray) -> None:
    dosages[:, 1] = 2
    assert fit_elastic_net(dosages, values, FOLDS, CONFIG).weights[1] == 0


def test_a_gene_without_variants_is_predicted_by_the_mean_of_the_others() -> None:
    values = np.arange(120.0)
    predicted = predict_held_out(np.zeros((120, 1)), values, FOLDS, CONFIG)
    assert predicted[0] == pytest.approx(values[FOLDS != 0].mean())


@pytest.mark.parametrize(
    "changes",
    [{"cis_bases": 0}, {"penalties": 1}, {"l1_ratio": 0.0}, {"l1_ratio": 1.1}, {"smallest_penalty": 1.0}],
)
def test_what_cannot_be_fitted_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="elastic_net: "):
        ElasticNetConfig(**changes)
