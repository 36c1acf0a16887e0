"""Figures agree with numbers worked out by hand and with SciPy, for one set of rows and for many at once."""

import numpy as np
import pytest
from scipy import stats

from training.metrics import METRICS, bootstrap

MEASURED = np.array([1.0, 2.0, 3.0, 4.0])
PREDICTED = np.array([1.0, 2.0, 4.0, 3.0])


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("mse", 0.5),  # errors 0, 0, 1, 1
        ("mae", 0.5),
        ("rmse", 0.5**0.5),
        ("r2", 0.6),  # 1 - 0.5 / 1.25
        ("pearson", 0.8),  # covariance 1, both variances 1.25
        ("spearman", 0.8),
    ],
)
def test_numbers_by_hand(metric: str, value: float) -> None:
    assert METRICS[metric](MEASURED, PREDICTED) == pytest.approx(value)


def test_correlations_agree_with_scipy_on_ties() -> None:
    generator = np.random.default_rng(0)
    measured, predicted = generator.integers(0, 5, size=(2, 50)).astype(float)

    assert METRICS["pearson"](measured, predicted) == pytest.approx(stats.pearsonr(measured, predicted).statistic)
    assert METRICS["spearman"](measured, predicted) == pytest.approx(stats.spearmanr(measured, predicted).statistic)


@pytest.mark.parametrize("metric", METRICS)
def test_many_resamples_at_once_are_each_as_if_alone(metric: str) -> None:
    measured, predicted = np.random.default_rng(1).normal(size=(2, 3, 20))

    alone = [METRICS[metric](measured[row], predicted[row]) for row in range(3)]

    assert np.allclose(METRICS[metric](measured, predicted), alone)


def test_an_interval_covers_its_value_and_narrows_with_more_rows() -> None:
    generator = np.random.default_rng(2)
    measured = generator.normal(size=4000)
    predicted = measured + generator.normal(size=4000)

    few = bootstrap(measured[:200], predicted[:200], seed=0, samples=200)["pearson"]
    many = bootstrap(measured, predicted, seed=0, samples=200)["pearson"]

    assert many[1] < many[0] < many[2]
    assert many[2] - many[1] < (few[2] - few[1]) / 2
    # Fisher: the standard error of r is about (1 - r^2) / sqrt(n)
    assert many[2] - many[1] == pytest.approx(2 * 1.96 * (1 - many[0] ** 2) / 4000**0.5, rel=0.25)


def test_one_seed_gives_one_interval() -> None:
    measured, predicted = np.random.default_rng(4).normal(size=(2, 30))

    assert bootstrap(measured, predicted, seed=3) == bootstrap(measured, predicted, seed=3)
