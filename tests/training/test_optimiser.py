"""The learning rate warms up and falls."""

import pytest
from torch import nn

from training.optimiser import adamw, learning_rate
from training.recipe import FitConfig

CONFIG = FitConfig(epochs=1, batch=1, learning_rate=1.0, warmup_fraction=0.1, weight_decay=0.5)


def test_the_learning_rate_rises_to_its_peak_and_falls_as_a_cosine() -> None:
    rates = [learning_rate(step, 110, CONFIG) for step in range(110)]

    assert rates[0] == pytest.approx(1 / 11)
    assert rates[10] == rates[11] == pytest.approx(1.0)
    assert rates[11 + 33] == pytest.approx(1 / 500 + 499 / 500 * 0.75)  # a third of the way: (1 + cos 60 degrees) / 2
    assert rates[109] < 0.005
    assert rates[11:] == sorted(rates[11:], reverse=True)


def test_only_matrices_decay() -> None:
    matrices, vectors = adamw(nn.Linear(2, 3), CONFIG).param_groups

    assert [tuple(parameter.shape) for parameter in matrices["params"]] == [(3, 2)]
    assert matrices["weight_decay"] == 0.5
    assert vectors["weight_decay"] == 0.0
