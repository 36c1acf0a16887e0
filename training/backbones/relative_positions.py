"""How Enformer describes the distance between two bins: functions of it that fall off, end, or peak somewhere.

They depend on the number of bins alone, so a graph of one length holds them as constants, and needs no operator for the
gamma function, which ONNX lacks.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
GammaPeak = Literal["feature", "distance"]
"""What the largest gamma density is 1 of.

`feature`: each feature, over all distances, as in the published model. `distance`: each distance, over all features, as
enformer-pytorch computes it when its `use_tf_gamma` is off.
"""

KINDS = 3
FEATURES_PER_KIND = 2 * KINDS
"""Each of the three kinds counts twice: by distance alone, and with the sign of its direction."""

SHORTEST_HALF_LIFE_LOG2 = 3.0
SMALLEST_DENSITY = 1e-8


def relative_positions(bins: int, features: int, gamma_peak: GammaPeak) -> Numbers:
    """The features of all distances between two of so many bins.

    Args:
        bins: at least 2.
        features: a multiple of `FEATURES_PER_KIND`.
        gamma_peak: how the gamma densities are scaled.

    Returns:
        (2 bins - 1, features), from `bins - 1` bins to the left to as many to the right.
    """
    signed = np.arange(1 - bins, bins, dtype=np.float64)
    each, distance = features // FEATURES_PER_KIND, np.abs(signed)[:, None]
    kinds = (decays(distance, each, bins), masks(distance, each), gammas(distance, each, bins, gamma_peak))
    unsigned = np.hstack(kinds)
    return np.hstack([unsigned, np.sign(signed)[:, None] * unsigned])


def decays(distance: Numbers, features: int, bins: int) -> Numbers:
    """Exponential decays, whose half-lives go from 8 bins to all bins in equal ratios; arguments as for `gammas`."""
    half_lives = 2.0 ** np.linspace(SHORTEST_HALF_LIFE_LOG2, math.log2(bins), features)
    return np.asarray(0.5 ** (distance / half_lives))


def masks(distance: Numbers, features: int) -> Numbers:
    """1 for what is nearer than 1, 3, 7, 15 ... bins, else 0; arguments as for `gammas`."""
    return (distance < 2.0 ** np.arange(1, features + 1) - 1).astype(np.float64)


def gammas(distance: Numbers, features: int, bins: int, peak: GammaPeak) -> Numbers:
    """Gamma densities with means at equal steps up to all bins, and standard deviations of half a step.

    Args:
        distance: (distances, 1), in bins.
        features: how many densities.
        bins: the largest mean.
        peak: how the densities are scaled.

    Returns:
        (distances, features), the largest 1.
    """
    place = np.arange(1, features + 1)
    shape, rate = 4.0 * place**2, 4.0 * place * features / bins  # mean = shape / rate
    log_norm = np.array([math.lgamma(value) for value in shape]) - shape * np.log(rate)
    with np.errstate(divide="ignore"):  # the logarithm of no distance at all; its density is 0
        density = np.exp((shape - 1) * np.log(distance) - rate * distance - log_norm) + SMALLEST_DENSITY
    return np.asarray(density / density.max(axis=0 if peak == "feature" else 1, keepdims=True))
