"""Enformer's description of distances, by worked numbers, by scipy's densities and by the published table."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.training.enformers import ORACLE
from training.backbones.relative_positions import decays, gammas, masks, relative_positions

DISTANCE = np.arange(4.0)[:, None]


def test_decays_halve_after_8_bins_at_the_shortest_and_after_all_bins_at_the_longest() -> None:
    far = np.array([[0.0], [8.0], [16.0], [32.0]])

    assert decays(far, 3, bins=32) == pytest.approx(
        np.array([[1, 1, 1], [1 / 2, 2**-0.5, 2**-0.25], [1 / 4, 1 / 2, 2**-0.5], [1 / 16, 1 / 4, 1 / 2]])
    )


def test_masks_end_at_1_3_and_7_bins() -> None:
    assert masks(DISTANCE, 3).tolist() == [[1, 1, 1], [0, 1, 1], [0, 1, 1], [0, 0, 1]]


@pytest.mark.parametrize(("peak", "axis"), [("feature", 0), ("distance", 1)])
def test_gammas_are_densities_whose_means_are_steps_and_whose_deviations_are_half_a_step(peak, axis: int) -> None:
    distance, step = np.abs(np.arange(-39.0, 40.0))[:, None], 40 / 4
    means, deviation = step * np.arange(1, 5), step / 2
    density = stats.gamma.pdf(distance, (means / deviation) ** 2, scale=deviation**2 / means) + 1e-8

    expected = density / density.max(axis=axis, keepdims=True)

    assert gammas(distance, 4, 40, peak) == pytest.approx(expected, rel=1e-9)


def test_gammas_are_those_of_the_published_table() -> None:
    distance = np.abs(np.arange(-1535.0, 1536.0))[:, None]

    ours = gammas(distance, 32, 1536, "feature")[1535 + ORACLE["table_distances"]]

    # The table was computed in single precision, where logarithms of up to 30,000 are subtracted.
    assert np.abs(ours - ORACLE["table"]).max() < 3e-4
    other = gammas(distance, 32, 1536, "distance")[1535 + ORACLE["table_distances"]]
    assert np.abs(other - ORACLE["table"]).max() > 0.5


def test_both_directions_have_the_same_features_but_for_the_sign_of_one_half() -> None:
    features = relative_positions(5, 12, "feature")

    left, here, right = features[:4], features[4], features[5:]
    assert features.shape == (9, 12)
    assert left[::-1] == pytest.approx(np.hstack([right[:, :6], -right[:, 6:]]))
    assert right[:, 6:] == pytest.approx(right[:, :6])
    assert here[6:].tolist() == [0] * 6
    assert here[:4].tolist() == [1, 1, 1, 1]
