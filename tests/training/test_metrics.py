"""Figures agree with numbers worked out by hand and with SciPy, for one set of rows and for many at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from training.metrics import METRICS, pearson, r2, spearman

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


@st.composite
def resampled_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = draw(st.integers(2, 12))
    values = st.lists(st.integers(-4, 4), min_size=rows, max_size=rows)
    weights = draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows).filter(sum))
    return np.array(draw(values), dtype=float), np.array(draw(values), dtype=float), np.array(weights)


@pytest.mark.parametrize("metric", METRICS)
@given(drawn=resampled_rows())
def test_a_weight_is_a_row_that_stands_there_so_many_times(
    metric: str, drawn: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    measured, predicted, times = drawn

    weighted = METRICS[metric](measured, predicted, np.stack([times.astype(float), np.ones(len(times))]))

    repeated = METRICS[metric](np.repeat(measured, times), np.repeat(predicted, times))
    assert weighted[0] == pytest.approx(float(repeated), abs=1e-9, nan_ok=True)
    assert weighted[1] == pytest.approx(float(METRICS[metric](measured, predicted)), abs=1e-9, nan_ok=True)


def test_a_constant_tells_nothing() -> None:
    constant = np.full(4, 0.1)

    assert pearson(MEASURED, constant) == 0
    assert spearman(MEASURED, constant) == 0
    assert np.isnan(r2(constant, MEASURED))
