"""The learning rate warms up and falls; the average forgets its random start."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from training.optimiser import MovingAverage, adamw, learning_rate
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


def test_the_average_follows_quickly_at_first_and_slowly_later() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = MovingAverage(model, decay=0.9)
    nn.init.ones_(model.weight)

    average.update(model)  # decay (1 + 1) / (10 + 1)
    assert average.state["weight"].item() == pytest.approx(9 / 11)
    average.update(model)  # decay (1 + 2) / (10 + 2)
    assert average.state["weight"].item() == pytest.approx(9 / 11 + 0.75 * 2 / 11)


def test_no_decay_keeps_the_weights_themselves() -> None:
    model = nn.Linear(1, 1)
    average = MovingAverage(model, decay=replace(CONFIG).average_decay)
    nn.init.ones_(model.weight)

    average.update(model)

    assert torch.equal(average.state["weight"], model.weight)
