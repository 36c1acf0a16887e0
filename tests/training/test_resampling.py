"""Intervals are as wide as theory says, wider for related rows, and narrower for the difference of like models."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.resampling import FEWEST_GROUPS, bootstrap, drawn_units, resamples


def test_an_interval_covers_its_value_and_has_the_width_of_theory() -> None:
    generator = np.random.default_rng(2)
    measured = generator.normal(size=4000)
    predicted = measured + generator.normal(size=4000)

    value, low, high = bootstrap(measured, predicted, seed=0).intervals()["pearson"]

    assert low < value < high
    # Fisher: the standard error of r is about (1 - r^2) / sqrt(n)
    assert high - low == pytest.approx(2 * 1.96 * (1 - value**2) / 4000**0.5, rel=0.1)


def test_one_seed_gives_one_interval() -> None:
    measured, predicted = np.random.default_rng(4).normal(size=(2, 30))

    first, second = (bootstrap(measured, predicted, seed=3).intervals() for _ in range(2))

    assert first == second


def test_a_row_that_stands_there_four_times_counts_once() -> None:
    measured, predicted = np.random.default_rng(5).normal(size=(2, 250))
    copied, group = np.repeat(measured, 4), np.repeat(np.arange(250), 4)

    alone = bootstrap(measured, predicted, seed=0).intervals()["mse"]
    related = bootstrap(copied, np.repeat(predicted, 4), seed=0, groups=group).intervals()["mse"]
    unrelated = bootstrap(copied, np.repeat(predicted, 4), seed=0).intervals()["mse"]

    assert related == pytest.approx(alone)
    assert unrelated[2] - unrelated[1] == pytest.approx((alone[2] - alone[1]) / 2, rel=0.15)


@given(sizes=st.lists(st.integers(1, 4), min_size=FEWEST_GROUPS, max_size=60), seed=st.integers(0, 9))
def test_a_resample_draws_whole_groups_and_as_many_as_there_are(sizes: list[int], seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)

    (weights,) = resamples(groups, seed, samples=5)

    assert weights.shape == (5, len(groups))
    firsts = np.cumsum(sizes) - sizes
    assert np.array_equal(weights, np.repeat(weights[:, firsts], sizes, axis=1))
    assert weights[:, firsts].sum(axis=1).tolist() == [len(sizes)] * 5


def test_a_handful_of_groups_cannot_be_resampled_so_rows_are() -> None:
    three, thirty = np.arange(90) // 30, np.arange(90) // 3

    assert drawn_units(three)[1] == 90
    assert drawn_units(thirty)[1] == 30


def test_the_difference_of_like_models_is_surer_than_either_figure() -> None:
    generator = np.random.default_rng(6)
    measured, noise = generator.normal(size=(2, 500))
    good = measured + noise
    better = measured + 0.9 * noise

    figures, others = (bootstrap(measured, predicted, seed=0) for predicted in (better, good))
    value, low, high = figures.minus(others)["r2"]

    assert value == pytest.approx(figures.values["r2"] - others.values["r2"])
    assert 0 < low < value < high
    assert high - low < 0.5 * (figures.intervals()["r2"][2] - figures.intervals()["r2"][1])


def test_a_model_is_not_ahead_of_itself() -> None:
    figures = bootstrap(*np.random.default_rng(7).normal(size=(2, 40)), seed=0)

    assert set(figures.minus(figures).values()) == {(0.0, 0.0, 0.0)}


def test_resamples_of_one_value_are_left_out_of_the_interval() -> None:
    measured = np.array([0.0, 1.0])  # half of the resamples are twice the same row
    figures = bootstrap(measured, np.array([0.0, 0.5]), seed=0)

    assert figures.intervals()["r2"] == (0.5, 0.5, 0.5)
    assert np.isnan(bootstrap(np.zeros(3), np.ones(3), seed=0).intervals()["r2"]).all()
